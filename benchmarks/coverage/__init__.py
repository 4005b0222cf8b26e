"""How often the intervals hold what they promise, and how often verdicts are wrong: simulated sets with known truth, judged by the engine itself."""
