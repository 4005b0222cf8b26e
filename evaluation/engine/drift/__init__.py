"""Has production moved away from the test set? Every answer is an effect with its interval; a p-value alone says only that there are many rows.

`distances` compare one feature, `features` many at once, `twosample` whole vectors, `labelshift` what is known without labels.
"""
