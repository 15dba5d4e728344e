from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from geo_xmodal.correlation import OBJECTIVES, FeatureError, objective
from geo_xmodal.errors import UsageError
from tests.correlation.cases import NAMES, PLAIN, build, covariance, features, labels_for

SHAPES = [(16, 5), (5, 9), (12, 1), (2, 3)]
BOUNDED = {
    "hgr": 6.0,
    "deep_cca": 6.0,
    "corrnet": 6.0,
    "barlow_twins": 6.0,
    "cosine": 1.0,
    "unifast_hgr": 1.0,
}


def test_registry_says_what_each_objective_is() -> None:
    assert {"soft_hgr", "unifast_hgr", "optfast_hgr", "hgr", "deep_cca", "soft_cca", "dcca_ey"} <= set(
        OBJECTIVES
    )
    assert all(len(summary) > 20 for summary in OBJECTIVES.values())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", PLAIN)
def test_equals_its_plain_formula_in_value_and_gradient(case: str, shape: tuple[int, int]) -> None:
    options, plain = PLAIN[case]
    f, g = (x.requires_grad_() for x in features(*shape))
    value, expected = build(case.partition(",")[0], **options)(f, g), plain(f, g)
    torch.testing.assert_close(value, expected, rtol=1e-7, atol=1e-9)
    if case not in {"hgr", "deep_cca"} or shape[0] > 2 * shape[1]:
        # Below, plain whitening has repeated values, where autograd through its eigenvectors is infinite.
        for got, wanted in zip(
            torch.autograd.grad(value, (f, g)), torch.autograd.grad(expected, (f, g)), strict=True
        ):
            torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_gradient(name: str, views: int, shape: tuple[int, int]) -> None:
    x = tuple(v.requires_grad_() for v in features(*shape, views))
    score = build(name)
    assert torch.autograd.gradcheck(lambda *v: score(*v, **labels_for(name, shape[0])), x)


@pytest.mark.parametrize(
    "options", [{"trace": "soft_hgr"}, {"sketch": 4}, {"trace": "soft_hgr", "sketch": 4}], ids=str
)
@pytest.mark.parametrize("name", ["unifast_hgr", "optfast_hgr"])
def test_gradient_of_the_variants(name: str, options: dict) -> None:
    x = tuple(v.requires_grad_() for v in features(11, 7))

    def score(*v: Tensor) -> Tensor:
        drawn = {"generator": torch.Generator().manual_seed(1)} if "sketch" in options else {}
        return build(name, **options, **drawn)(*v)

    assert torch.autograd.gradcheck(score, x)


@pytest.mark.parametrize("options", [{"halves": True}, {"own": True}], ids=str)
def test_gradient_of_eckart_young_variants(options: dict) -> None:
    x = tuple(v.requires_grad_() for v in features(11, 4, 3))
    assert torch.autograd.gradcheck(build("dcca_ey", **options), x)


@pytest.mark.parametrize("name", NAMES)
def test_batch_order_does_not_matter(name: str) -> None:
    f, g = features(30, 5)
    labels, order = labels_for(name, 30), torch.randperm(30)
    moved = build(name)(f[order], g[order], **{k: v[order] for k, v in labels.items()})
    torch.testing.assert_close(moved, build(name)(f, g, **labels))


@pytest.mark.parametrize("name", NAMES)
def test_constants_added_to_columns_do_not_matter(name: str) -> None:
    f, g = features(30, 5)
    shift = 0 if name == "deep_lda" else 7  # one space for all modalities: they may only move together
    moved = build(name)(f + 3 + torch.arange(5), g + 3 + torch.arange(5) - shift, **labels_for(name, 30))
    torch.testing.assert_close(moved, build(name)(f, g, **labels_for(name, 30)))


@pytest.mark.parametrize(
    "name", ["soft_hgr", "unifast_hgr", "optfast_hgr", "hgr", "deep_cca", "dcca_ey", "cosine", "dot"]
)
def test_unchanged_by_one_rotation_of_both(name: str) -> None:
    f, g = features(30, 5)
    q = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))[0]
    torch.testing.assert_close(build(name)(f @ q, g @ q), build(name)(f, g))


@pytest.mark.parametrize("name", ["hgr", "deep_cca"])
def test_whitened_objectives_are_unchanged_by_separate_linear_maps(name: str) -> None:
    f, g = features(60, 5)
    a, b = torch.randn(2, 5, 5, dtype=torch.float64)
    score = build(name, ridge=0.0)
    torch.testing.assert_close(score(f @ a, g @ b), score(f, g))


def test_soft_hgr_is_unchanged_by_paired_maps_only() -> None:
    f, g = features(60, 5)
    a = torch.randn(5, 5, dtype=torch.float64)
    score = build("soft_hgr")
    torch.testing.assert_close(score(f @ a, g @ torch.linalg.inv(a).T), score(f, g))
    assert not torch.isclose(score(f @ a, g @ a), score(f, g), rtol=1e-2)
    assert not torch.isclose(score(2 * f, 2 * g), score(f, g), rtol=1e-2)


@pytest.mark.parametrize(
    "name", ["unifast_hgr", "optfast_hgr", "hgr", "deep_cca", "corrnet", "barlow_twins", "cosine"]
)
def test_scale_of_a_modality_does_not_matter(name: str) -> None:
    f, g = features(60, 5)
    torch.testing.assert_close(build(name)(1e3 * f, 1e-2 * g), build(name)(f, g), rtol=1e-6, atol=0)


def test_scale_of_the_data_does_not_undo_the_ridge() -> None:
    # An absolute ridge of 1e-3 makes two equal views of small variance look unrelated.
    f = 1e-3 * features(500, 100)[0]
    assert float(build("deep_cca")(f, f)) > 90


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 40), st.integers(1, 12), st.floats(0.1, 100), st.integers(0, 10**6))
def test_bounded_objectives_keep_their_bounds(m: int, k: int, scale: float, seed: int) -> None:
    f, g = features(m, k, seed=seed)
    for name, bound in BOUNDED.items():
        assert float(build(name)(scale * f, g)) <= (k if bound > 1 else 1) + 1e-6


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e6])
@pytest.mark.parametrize("name", NAMES)
def test_collapsed_features_score_zero_with_finite_gradients(name: str, constant: float) -> None:
    f, g = (torch.full((24, 4), c).requires_grad_() for c in (constant, constant))
    value = build(name)(f, g, **labels_for(name, 24))
    assert abs(value.item()) < 1e-6
    assert all(torch.isfinite(d).all() for d in torch.autograd.grad(value, (f, g)))


@pytest.mark.parametrize("name", NAMES)
def test_one_collapsed_modality_scores_no_better_than_zero(name: str) -> None:
    f, g = torch.full((24, 4), 0.3).requires_grad_(), features(24, 4)[1].float().requires_grad_()
    value = build(name)(f, g, **labels_for(name, 24))
    gradients = torch.autograd.grad(value, (f, g))
    # Spread within one modality is a part of VICReg's score, and classes within one of deep LDA's.
    assert value.item() < 1e-6 or name in {"vicreg", "deep_lda"}
    assert all(torch.isfinite(d).all() and d.abs().max() < 1e7 for d in gradients)


@pytest.mark.parametrize("name", NAMES)
def test_summed_over_pairs(name: str) -> None:
    joint = {"deep_cca", "dcca_ey", "soft_cca", "vicreg", "deep_lda"}
    x = features(30, 4, 3)
    together = build(name)(*x, **labels_for(name, 30))
    apart = sum(build(name)(f, g, **labels_for(name, 30)) for f, g in combinations(x, 2))
    if name in joint:
        assert torch.isfinite(together)
    else:
        torch.testing.assert_close(together, apart)


def test_deep_cca_of_three_is_the_eigenvalues_of_summed_projections_less_one() -> None:
    x = features(50, 4, 3)
    projections = []
    for v in x:
        c = v - v.mean(0)
        projections.append(c @ torch.linalg.solve(c.T @ c, c.T))
    expected = torch.linalg.eigvalsh(sum(projections))[-4:].sum() - 4
    torch.testing.assert_close(build("deep_cca", ridge=0.0)(*x), expected)


def test_components_take_the_largest_correlations() -> None:
    f, g = features(50, 6)
    each = torch.stack([build("hgr", components=k)(f, g) for k in range(1, 7)]).diff()
    assert (each[:-1] >= each[1:] - 1e-9).all()
    torch.testing.assert_close(build("hgr", components=6)(f, g), build("hgr")(f, g))


def test_whitened_objectives_accept_different_widths_and_others_say_why_not() -> None:
    f, g = features(50, 6)
    torch.testing.assert_close(build("hgr")(f, g[:, :3]), build("hgr")(g[:, :3], f))
    with pytest.raises(FeatureError, match="project them to one width"):
        build("soft_hgr")(f, g[:, :3])


def test_gram_and_covariance_form_agree_where_the_choice_changes() -> None:
    for k in range(4, 12):  # 3 m <= 4 K flips between K = 5 and 6 for m = 8
        f, g = features(8, k)
        torch.testing.assert_close(build("soft_hgr")(f, g), PLAIN["soft_hgr"][1](f, g))
        torch.testing.assert_close(build("barlow_twins")(f, g), PLAIN["barlow_twins"][1](f, g))
        torch.testing.assert_close(build("hgr")(f, g), PLAIN["hgr"][1](f, g), rtol=1e-6, atol=1e-9)


class CountMatrixProducts(torch.utils._python_dispatch.TorchDispatchMode):
    """Counts products whose three sizes are all those of the features: what the cost is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.count += func.overloadpacket.__name__ in {"mm", "addmm", "addmm_", "bmm"}
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("name", "options", "shape", "most"),
    [
        ("soft_hgr", {}, (16, 64), 3),
        ("soft_hgr", {}, (64, 16), 4),
        ("unifast_hgr", {}, (64, 16), 3),
        ("unifast_hgr", {}, (16, 64), 4),
        ("unifast_hgr", {"trace": "soft_hgr"}, (16, 64), 3),
        ("unifast_hgr", {"trace": "soft_hgr"}, (64, 16), 4),
        ("barlow_twins", {}, (64, 16), 3),
        ("dcca_ey", {}, (64, 16), 2),  # of twice as many rows
        ("cosine", {}, (64, 16), 0),
        ("dot", {}, (64, 16), 0),
        ("corrnet", {}, (64, 16), 0),
    ],
)
def test_no_matrix_product_that_the_gradient_does_not_need(
    name: str, options: dict, shape: tuple[int, int], most: int
) -> None:
    f, g = (x.requires_grad_() for x in features(*shape))
    with CountMatrixProducts() as products:
        build(name, **options)(f, g).backward()
    assert products.count == most


def test_gradient_of_one_modality_alone() -> None:
    f, g = features(20, 6)
    for name in NAMES:
        x = f.clone().requires_grad_()
        both = (f.clone().requires_grad_(), g.clone().requires_grad_())
        labels = labels_for(name, 20)
        alone = torch.autograd.grad(build(name)(x, g, **labels), x)[0]
        torch.testing.assert_close(alone, torch.autograd.grad(build(name)(*both, **labels), both)[0])


def test_soft_cca_averages_the_covariance_over_batches() -> None:
    score = objective("soft_cca", weight=1.0, momentum=0.5)
    batches = [features(30, 4, seed=s) for s in range(3)]
    for batch in batches:
        value = score(*batch)
    penalty, aligned = 0.0, 0.0
    for view in range(2):
        z = [(b[view] - b[view].mean(0)) / b[view].std(0, unbiased=False) for b in batches]
        c = sum(w * v.T @ v / 30 for w, v in zip((0.25, 0.5, 1.0), z, strict=True)) / 1.75
        penalty += float(c.abs().sum() - c.diagonal().abs().sum())
    aligned = float(build("corrnet")(*batches[-1]))
    assert float(value) == pytest.approx(aligned - penalty / 3, rel=1e-9)
    again, following = objective("soft_cca", weight=1.0, momentum=0.5), features(30, 4, seed=3)
    again.load_state_dict(score.state_dict())  # a run that was stopped goes on to the same value
    assert float(again(*following)) == float(score(*following))


def test_eckart_young_halves_are_unbiased_where_one_batch_is_not() -> None:
    truth = 3.0  # tr(I I) of three unit variances; both views carry half of V
    torch.manual_seed(0)
    draws = [torch.randn(2, 12, 3, dtype=torch.float64) for _ in range(1500)]
    f = [(d[0], d[0]) for d in draws]
    reward = torch.stack([2 * covariance(a, b).trace() for a, b in f])
    biased = reward - torch.stack([build("dcca_ey")(a, b) for a, b in f])
    unbiased = reward - torch.stack([build("dcca_ey", halves=True)(a, b) for a, b in f])
    assert abs(float(unbiased.mean()) - truth) < 4 * float(unbiased.std()) / 1500**0.5
    assert float(biased.mean()) > truth + 0.5


def test_deep_lda_is_the_smallest_discriminant_of_all_modalities() -> None:
    f, g = features(60, 4)
    labels = torch.arange(60) % 3
    f, g = f + 2 * torch.eye(3, 4, dtype=f.dtype)[labels], g + 2 * torch.eye(3, 4, dtype=f.dtype)[labels]
    x, y = torch.cat([f, g]), labels.repeat(2)
    within = sum((x[y == c] - x[y == c].mean(0)).T @ (x[y == c] - x[y == c].mean(0)) for c in range(3)) / 119
    between = covariance(x, x) - within
    values = torch.linalg.eigvals(torch.linalg.solve(within, between)).real.sort(descending=True).values[:2]
    score = build("deep_lda", ridge=0.0, margin=0.0)(f, g, labels=labels)
    torch.testing.assert_close(score, values[1])
    torch.testing.assert_close(build("deep_lda", ridge=0.0, margin=1e9)(f, g, labels=labels), values.mean())


def test_deep_lda_leaves_unlabelled_samples_out() -> None:
    f, g = features(60, 4)
    labels = torch.arange(60) % 3
    labels[45:] = -1
    torch.testing.assert_close(
        build("deep_lda")(f, g, labels=labels), build("deep_lda")(f[:45], g[:45], labels=labels[:45])
    )


def ascend(name: str, options: dict, *, independent: bool) -> float:
    """Train linear encoders in-sample; score on new samples."""
    torch.manual_seed(0)
    x, y = torch.randn(2, 600, 6)
    if not independent:
        y = 0.9 * x + 0.4 * y
    encoders = [nn.Linear(6, 2), nn.Linear(6, 2)]
    score = build(name, **options)
    optimiser = torch.optim.Adam([p for e in encoders for p in e.parameters()], lr=0.03)
    for _ in range(150):
        optimiser.zero_grad()
        labels = labels_for(name, 300)
        (-score(encoders[0](x[:300]), encoders[1](y[:300]), **labels)).backward()
        optimiser.step()
    with torch.no_grad():
        return float(score(encoders[0](x[300:]), encoders[1](y[300:]), **labels_for(name, 300)))


@pytest.mark.parametrize("name", [n for n in NAMES if n not in {"deep_lda", "dot"}])
def test_dependence_pays_on_new_samples_and_independence_does_not(name: str) -> None:
    # hgr and deep_cca are in-sample correlations of the batch that they see: biased up by 2 x 2/sqrt(300) at
    # most.
    bias = {"hgr": 0.25, "deep_cca": 0.25}.get(name, 0.08)
    if name != "vicreg":  # whose spread is rewarded whatever the other modality does
        assert ascend(name, {}, independent=True) < bias
    assert ascend(name, {}, independent=False) > 0.3


def test_unknown_objective_or_option_says_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"'hrg' is unknown; choose one of soft_hgr"):
        objective("hrg")
    with pytest.raises(UsageError, match=r"'barlow_twins' has no option sketch; it has weight"):
        objective("barlow_twins", sketch=3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("soft_hgr", {"sketch": 0}),
        ("unifast_hgr", {"trace": "covariance"}),
        ("hgr", {"components": 0}),
        ("deep_cca", {"ridge": -1.0}),
        ("soft_cca", {"momentum": 1.0}),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: dict) -> None:
    with pytest.raises((UsageError, FeatureError), match=next(iter(options))):
        objective(name, **options)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([torch.zeros(4, 2)], "two or more"),
        ([torch.zeros(4, 2), torch.zeros(5, 2)], "paired row by row"),
        ([torch.zeros(4, 2, 3), torch.zeros(4, 2, 3)], "flatten"),
        ([torch.zeros(1, 2), torch.zeros(1, 2)], "at least 2 samples"),
        ([torch.zeros(4, 0), torch.zeros(4, 0)], "at least one column"),
        ([torch.zeros(4, 2, dtype=torch.complex64)] * 2, "real"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_features_that_do_not_pair_up_are_refused(name: str, x: list[Tensor], message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        build(name)(*x)


def test_labels_that_do_not_fit_are_refused() -> None:
    f, g = features(9, 2)
    for labels, message in ((None, "needs labels"), (torch.zeros(8), "shape"), (torch.zeros(9), "2 classes")):
        with pytest.raises(FeatureError, match=message):
            build("deep_lda")(f, g, labels=labels)


def test_whitening_says_what_is_wrong_with_the_features() -> None:
    f, g = features(30, 3)
    with pytest.raises(FeatureError, match="NaN"):
        build("hgr")(f * float("nan"), g)
    with pytest.raises(FeatureError, match="singular"):
        build("hgr", ridge=0.0)(1e6 * f[:, :1].expand(30, 3), g)


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
@pytest.mark.parametrize("case", [*NAMES, "soft_hgr, sketch", "unifast_hgr, sketch"])
def test_order_in_memory_does_not_matter(case: str, shape: tuple[int, int]) -> None:
    name, _, sketched = case.partition(", ")
    f, g = features(*shape)
    column_major = f.t().contiguous().t()

    def graded(*x: Tensor) -> tuple[Tensor, ...]:
        x = tuple(v.detach().requires_grad_() for v in x)
        drawn = {"sketch": 3, "generator": torch.Generator().manual_seed(0)} if sketched else {}
        value = build(name, **drawn)(*x, **labels_for(name, shape[0]))
        return value, *torch.autograd.grad(value, x)

    for got, wanted in zip(graded(column_major, g), graded(f, g), strict=True):
        torch.testing.assert_close(got, wanted)
