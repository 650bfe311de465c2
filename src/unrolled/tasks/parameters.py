"""The options of an estimator as scikit-learn asks for them: get_params, set_params, clone and its tags.

Nothing here needs scikit-learn, but for the tags, which nobody else asks for.
"""

import copy
from abc import ABC
from typing import Any, ClassVar, Generic, Self, TypeVar

from unrolled.errors import ConfigError, not_fitted
from unrolled.tasks.config import from_options, sections, unknown

C = TypeVar("C")  # configuration

# Options that say which data a run was trained on: a clone is for others.
OF_DATA = ("files", "validation_files", "test_files", "labels", "sha256", "start_sha256")


class Parameters(ABC, Generic[C]):
    """An estimator's options, each under its own name. `config` has them all; `_options` is the configuration
    as it was set, before a training completed it."""

    config_class: ClassVar[type[Any]]
    # What scikit-learn calls this kind of estimator, and whether `fit` needs y.
    estimator_type: ClassVar[str | None] = None
    takes_answers: ClassVar[bool] = True
    # Whether `fit` takes what each example counts in the loss.
    weighs: ClassVar[bool] = False
    # Whether it splits its data by groups, where it is given some.
    groups_examples: ClassVar[bool] = False
    # Whether X may be an array (N, T), or texts.
    reads_numbers: ClassVar[bool] = True
    reads_texts: ClassVar[bool] = False

    def __init__(self, config: C | None = None, **options: Any) -> None:
        if config is not None and options:
            raise ConfigError(
                f"give a configuration or options, not both: got config and {', '.join(options)}"
            )
        self.config: Any = config or from_options(self.config_class, options)
        self._options = self.config
        self._set = options if config is None else set_options(config)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Every option by its name, as it was set, else its default."""
        return defaults(self.config_class) | self._set

    def set_params(self, **options: Any) -> Self:
        """Sets options for the next `fit`; what is trained already stays as it is. ConfigError, with nothing
        set, for an unknown name or a wrong value."""
        usual = defaults(self.config_class)
        if wrong := [name for name in options if name not in usual]:
            raise ConfigError(unknown("option", wrong[0], usual))
        new = {
            name: value for name, value in options.items() if name in self._set or value is not usual[name]
        }
        if new:
            chosen = self._set | new
            self._options, self._set = from_options(self.config_class, chosen), chosen
            if not self.__sklearn_is_fitted__():
                self.config = self._options
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return False

    def _require_fitted(self, name: str) -> None:
        """NotFittedError for what an estimator has after `fit` alone."""
        if not self.__sklearn_is_fitted__():
            raise not_fitted(
                f"this {type(self).__name__} is not trained and has no {name} yet; call fit, or load a run"
            )

    def __sklearn_clone__(self) -> Self:
        """A new one with the same options, and no model."""
        return type(self)(**copy.deepcopy(self._set))

    def __sklearn_tags__(self) -> Any:
        from sklearn import utils  # who asks has it

        kind, inputs = self.estimator_type, utils.InputTags()
        inputs.string = self.reads_texts
        inputs.two_d_array = inputs.three_d_array = inputs.allow_nan = self.reads_numbers
        return utils.Tags(
            estimator_type=kind,
            target_tags=utils.TargetTags(required=self.takes_answers),
            classifier_tags=utils.ClassifierTags() if kind == "classifier" else None,
            regressor_tags=utils.RegressorTags() if kind == "regressor" else None,
            input_tags=inputs,
        )

    def __repr__(self) -> str:
        """The options that are not as by default."""
        usual = defaults(self.config_class)
        chosen = [f"{name}={value!r}" for name, value in self._set.items() if value != usual[name]]
        return f"{type(self).__name__}({', '.join(chosen)})"


def defaults(kind: type[Any]) -> dict[str, Any]:
    """Every option of a configuration: its default. The same objects at each call."""
    return {
        name: field.get_default(call_default_factory=True)
        for section in sections(kind).values()
        for name, field in section.model_fields.items()
    }


def set_options(config: Any) -> dict[str, Any]:
    """The options that were set in a configuration."""
    return {
        name: getattr(section, name)
        for one in sections(type(config))
        for section in (getattr(config, one),)
        for name in type(section).model_fields
        if name in section.model_fields_set
    }
