"""fal's models as data: arguments, prices and what people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from image2model.devtools.fal_stand_in.schemas import ENDPOINTS, problems
from image2model.errors import OptionRefused
from image2model.generators.base import Option, Side
from image2model.generators.fal.catalogue import FAL_MODELS
from image2model.generators.fal.model import FalModel

MODELS = {model.spec.id: model for model in FAL_MODELS}
SEVERAL = [model for model in FAL_MODELS if model.spec.sides]
every_model = pytest.mark.parametrize("model", FAL_MODELS, ids=lambda model: model.spec.id)
URL = "https://v3.fal.media/files/b/in.png"


def arguments(
    model: FalModel, options: dict[str, Any] | None = None, faces: int | None = None, sides: Sequence[Side] = ()
) -> dict[str, Any]:
    """Arguments sent for these options, with other sides beside the front."""
    return model.arguments(URL, model.spec.check(options, faces), {side: f"{URL}?{side}" for side in sides})


def values(option: Option) -> list[Any]:
    """The edges of an option's range, or all its values."""
    edges = [edge for edge in (option.minimum, option.maximum) if edge is not None]
    return {"bool": [True, False], "choice": list(option.choices)}.get(option.kind, edges)


def test_catalogue_has_fifteen_models():
    """Every model that is promised is there, and the first one is the default."""
    assert list(MODELS) == [
        "tripo-v2.5", "tripo-h3.1", "tripo-p1", "trellis", "trellis-2", "pixal3d", "hunyuan3d-v2", "hunyuan3d-v3",
        "hunyuan3d-v3.1-pro", "hunyuan3d-v3.1-rapid", "rodin", "rodin-v2.5", "meshy-v6", "triposr", "sam-3d-objects",
    ]  # fmt: skip
    assert {endpoint for model in FAL_MODELS for endpoint in model.endpoints} == set(ENDPOINTS)


@every_model
def test_default_arguments_match_the_published_schema(model: FalModel):
    """The default arguments are valid by the endpoint's published schema."""
    assert problems(ENDPOINTS[model.endpoint], arguments(model)) == []


@every_model
def test_every_value_on_offer_suits_fal(model: FalModel):
    """Each value and each edge of each option, and of the face limit, is one the endpoint takes."""
    for option in model.spec.options:
        for value in values(option):
            assert problems(ENDPOINTS[model.endpoint], arguments(model, {option.name: value})) == []
    for faces in values(model.spec.face_limit) if model.spec.face_limit else []:
        sent = arguments(model, faces=int(faces))
        assert problems(ENDPOINTS[model.endpoint], sent) == []
        assert int(faces) in sent.values()


@pytest.mark.parametrize("model", SEVERAL, ids=lambda model: model.spec.id)
def test_several_sides_suit_fal_in_every_number_with_every_option(model: FalModel):
    """Two, three and four sides, at the usual options and with each value of each option, are what fal takes."""
    endpoint = ENDPOINTS[model.endpoint_for(multiview=True)]
    for count in (2, 3, 4):
        others = model.spec.sides[1:count]
        assert problems(endpoint, arguments(model, sides=others)) == []
        for option in model.spec.options:
            for value in values(option):
                assert problems(endpoint, arguments(model, {option.name: value}, sides=others)) == []


@pytest.mark.parametrize(
    ("id", "sent"),
    [
        ("tripo-v2.5", {"front_image_url": URL, "back_image_url": f"{URL}?back", "left_image_url": f"{URL}?left"}),
        ("tripo-h3.1", {"image_urls": [URL, f"{URL}?left", f"{URL}?back"]}),
        ("trellis", {"image_urls": [URL, f"{URL}?back", f"{URL}?left"]}),
        ("hunyuan3d-v3", {"input_image_url": URL, "back_image_url": f"{URL}?back", "left_image_url": f"{URL}?left"}),
        ("rodin", {"input_image_urls": [URL, f"{URL}?back", f"{URL}?left"]}),
        ("rodin-v2.5", {"image_urls": [URL, f"{URL}?back", f"{URL}?left"]}),
        ("meshy-v6", {"image_urls": [URL, f"{URL}?back", f"{URL}?left"]}),
    ],
)
def test_each_side_has_the_argument_of_its_endpoint(id: str, sent: dict[str, Any]):
    """A field of its own, or its place in the list, whatever order the sides were given in."""
    made = arguments(MODELS[id], sides=["left", "back"])
    assert {name: value for name, value in made.items() if "image_url" in name} == sent


def test_unsupported_sides_are_refused_with_a_hint():
    """One picture is always right; a generator of one picture, a missing front and a gap say what helps."""
    for model in FAL_MODELS:
        model.spec.check_sides(["front"])
    refused = [("triposr", ["front", "back"]), ("tripo-v2.5", ["back", "left"]), ("tripo-h3.1", ["front", "back"])]
    refusals = []
    for id, sides in refused:
        with pytest.raises(OptionRefused) as caught:
            MODELS[id].spec.check_sides(sides)
        refusals.append(caught.value)
    assert [error.code for error in refusals] == ["sides_not_taken", "side_missing", "side_missing"]
    assert "takes one picture of each object" in refusals[0].message
    assert "without gaps" in refusals[2].hint


@every_model
def test_the_face_limit_is_refused_just_outside_fal_s_range(model: FalModel):
    """One less than the smallest and one more than the largest are refused before anything is paid."""
    limit = model.spec.face_limit
    outside = [] if limit is None else [limit.minimum - 1, limit.maximum + 1]
    for faces in outside:
        with pytest.raises(OptionRefused):
            model.spec.check({}, int(faces))


@every_model
def test_picture_has_the_argument_name_of_its_endpoint(model: FalModel):
    """One address or a list of one, under the name the endpoint gives it."""
    field = ENDPOINTS[model.endpoint].image_field
    assert arguments(model)[field] == ([URL] if ENDPOINTS[model.endpoint].fields[field].type == "urls" else URL)


@every_model
def test_people_read_short_lines(model: FalModel):
    """Names, lines and helps are there and fit their place."""
    texts = [model.spec.name, model.spec.strengths, *(option.label for option in model.spec.options)]
    assert all(0 < len(text) <= 90 for text in texts)
    assert all(0 < len(option.help) <= 120 for option in model.spec.options)
    assert 5 <= model.spec.usual_seconds <= 300


@every_model
def test_the_usual_price_is_the_published_one(model: FalModel):
    """The default price of a picture is that of the stand-in's price list."""
    assert model.spec.price(model.spec.check({}, None)) == Decimal(str(ENDPOINTS[model.endpoint].price))


@pytest.mark.parametrize(
    ("id", "options", "faces", "dollars"),
    [
        ("tripo-v2.5", {"texture": "no"}, None, "0.20"),
        ("tripo-v2.5", {"texture": "HD", "pbr": True}, 5_000, "0.40"),
        ("tripo-h3.1", {"texture": False}, None, "0.20"),
        ("tripo-h3.1", {"texture_quality": "detailed"}, None, "0.40"),
        ("tripo-h3.1", {"texture_quality": "detailed", "geometry_quality": "detailed"}, 2_000, "0.60"),
        ("tripo-p1", {"texture": False}, 48, "0.40"),
        ("trellis-2", {"resolution": "512"}, None, "0.25"),
        ("trellis-2", {"resolution": "1536"}, 5_000, "0.35"),
        ("pixal3d", {"resolution": "1536"}, None, "0.42"),
        ("hunyuan3d-v2", {"textured_mesh": True}, None, "0.48"),
        ("hunyuan3d-v3", {"enable_pbr": True}, None, "0.525"),
        ("hunyuan3d-v3", {}, 40_000, "0.525"),
        ("hunyuan3d-v3.1-pro", {"enable_pbr": True}, 40_000, "0.675"),
        ("hunyuan3d-v3.1-rapid", {"enable_pbr": True}, None, "0.375"),
    ],
)
def test_options_change_the_price(id: str, options: dict[str, Any], faces: int | None, dollars: str):
    """The price before the submission contains the extra for an option."""
    spec = MODELS[id].spec
    assert spec.price(spec.check(options, faces)) == Decimal(dollars)


@pytest.mark.parametrize("model", SEVERAL, ids=lambda model: model.spec.id)
def test_several_sides_cost_the_published_price(model: FalModel):
    """One job at the endpoint's price; Hunyuan's two add 15 cents for sides, however many."""
    several = replace(model.spec.check({}, None), multiview=True)
    more = Decimal("0.15") if model.spec.id.startswith("hunyuan") else 0
    assert model.spec.price(several) == Decimal(str(ENDPOINTS[model.endpoint_for(multiview=True)].price)) + more


@pytest.mark.parametrize("id", ["hunyuan3d-v2", "hunyuan3d-v3", "hunyuan3d-v3.1-pro", "hunyuan3d-v3.1-rapid"])
def test_paid_options_are_sent_only_when_chosen(id: str):
    """A paid option and the face limit are sent only if they are chosen."""
    assert arguments(MODELS[id]) == {"input_image_url": URL}
    assert "enable_pbr" not in arguments(MODELS[id], {} if id == "hunyuan3d-v2" else {"enable_pbr": False})


def test_tripo_arguments_equal_the_first_image2models():
    """Aligned to the picture, oriented as usual, never as quads (they come as FBX)."""
    sent = arguments(MODELS["tripo-v2.5"], {"texture": "HD"}, 5_000)
    assert sent == {
        "image_url": URL, "texture": "HD", "pbr": False, "face_limit": 5_000,
        "texture_alignment": "original_image", "orientation": "default",
    }  # fmt: skip
    assert not any(name == "quad" for model in FAL_MODELS for name in arguments(model))


def test_choices_of_digits_are_sent_as_numbers():
    """fal takes a texture size as a number, a person picks it as a word."""
    assert arguments(MODELS["trellis"], {"texture_size": "2048"})["texture_size"] == 2048
