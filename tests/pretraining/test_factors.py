"""The claim of DeCUR against truth: common dimensions hold what both sensors see, unique ones the rest."""

from tests.pretraining.factors import made_of_factors, pretrained_on, recovered


def test_common_dimensions_hold_shared_factors_and_unique_ones_private() -> None:
    made = made_of_factors(seed=0, n=3000)
    r2 = recovered(pretrained_on(made.some(0, 2000), "decur", seed=0, epochs=10), made.some(2000, 3000))
    assert r2["shared from common"] > 0.7 and r2["private from common"] < 0.1
    assert r2["private from unique"] > 0.3 and r2["shared from unique"] < 0.1
