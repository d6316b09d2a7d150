"""A field is declared once: the model's configuration, the training and the command line agree on it."""

from typing import get_type_hints

import pytest

from latentopt.cli.reference import options
from latentopt.declared import declarations
from latentopt.loading import model_folder
from latentopt.t5vae.config import T5VAEConfig
from latentopt.t5vae.fields import NAMED_OTHERWISE, ModelFields
from latentopt.training.settings import Settings


@pytest.mark.parametrize("name", [each.name for each in declarations(ModelFields)])
def test_a_configuration_has_each_field_by_both_names(name):
    default = getattr(ModelFields(), name)
    assert getattr(T5VAEConfig(), name) == default
    stored = NAMED_OTHERWISE.get(name, name)
    other = {bool: lambda: not default, str: lambda: default}.get(type(default), lambda: default + 1)()
    for key in (name, stored):
        made = T5VAEConfig(**{key: other})
        assert getattr(made, name) == getattr(made, stored) == made.to_dict()[stored] == other


def test_a_configuration_comes_back_from_its_folder(tmp_path):
    T5VAEConfig(noise=1.5, latent_dim=7).save_pretrained(tmp_path)
    again = T5VAEConfig.from_pretrained(tmp_path)
    assert (again.noise, again.latent_noise, again.latent_dim) == (1.5, 1.5, 7)


def test_a_shipped_configuration_is_read_as_it_was_written():
    config = T5VAEConfig.from_pretrained(model_folder("python-lines"))
    assert (config.noise, config.max_tokens, config.balance_brackets) == (1.5, 40, True)


def test_the_command_line_has_an_option_for_each_field():
    named = {"--" + each.name.replace("_", "-") for each in declarations(Settings)}
    assert named <= options()["train"]


def test_every_default_is_of_its_type_and_within_its_range():
    types = get_type_hints(Settings)
    for each in declarations(Settings):
        assert isinstance(each.default, types[each.name]), each.name
        if each.metadata["low"] is not None:
            assert each.metadata["low"] <= each.default <= each.metadata["high"]
