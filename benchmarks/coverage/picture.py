"""Draws `docs/statistics/coverage.svg`: exact coverage of the textbook interval (Wald) and of Wilson's at 20 cases.

python -m benchmarks.coverage.picture
"""

from pathlib import Path

import numpy as np
from scipy import stats

from evaluation.engine.intervals import normal_quantile, wilson

CASES = 20
WIDTH, HEIGHT, LEFT, TOP = 640, 300, 50, 30


def coverage() -> tuple[list[float], list[float], list[float]]:
    """Shares p, and the probability that each method's interval holds p."""
    k = np.arange(CASES + 1)
    low, high = wilson(k, CASES)
    half = normal_quantile(0.95) * np.sqrt(k / CASES * (1 - k / CASES) / CASES)
    shares = np.linspace(0.5, 0.995, 199)
    weight = stats.binom.pmf(k, CASES, shares[:, None])
    held = [(ends[0] <= shares[:, None]) & (shares[:, None] <= ends[1]) for ends in ((low, high), (k / CASES - half, k / CASES + half))]
    ours, wald = ((weight * each).sum(axis=1).tolist() for each in held)
    return shares.tolist(), ours, wald


def _line(shares: list[float], values: list[float], colour: str) -> str:
    points = " ".join(
        f"{LEFT + (p - 0.5) * 2 * WIDTH:.1f},{TOP + (1 - value) * HEIGHT:.1f}" for p, value in zip(shares, values, strict=True)
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'


def main() -> None:
    shares, ours, wald = coverage()
    marks = [f'<text x="5" y="{TOP + (1 - v) * HEIGHT + 4:.0f}">{v:.0%}</text>' for v in (0.0, 0.5, 0.95)]
    marks += [
        f'<text x="{LEFT + (p - 0.5) * 2 * WIDTH - 10:.0f}" y="{TOP + HEIGHT + 20}">{p:g}</text>' for p in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    ]
    nominal = TOP + 0.05 * HEIGHT
    words = f"How often 95 % intervals of a share hold it, {CASES} cases, by the true share: Wilson (blue), textbook (red)"
    out = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {TOP + HEIGHT + 30}" font-family="sans-serif" font-size="12">
<title>{words}</title><rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="18">{words}</text>
<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{nominal}" y2="{nominal}" stroke="#888" stroke-dasharray="4"/>
{_line(shares, ours, "#2563eb")}
{_line(shares, wald, "#dc2626")}
{"".join(marks)}
</svg>
"""
    Path("docs/statistics/coverage.svg").write_text(out)
    print(f"lowest: Wilson {min(ours):.3f}, textbook {min(wald):.3f}")


if __name__ == "__main__":
    main()
