"""The stages that are only copied out of, each read once, and where each one's commands run."""

from __future__ import annotations

from imagekit.dockerfile.builder import Builder
from imagekit.dockerfile.contained import Contained
from imagekit.dockerfile.harmless import runs_harmlessly
from imagekit.dockerfile.reading import Reading
from imagekit.dockerfile.recipe import Recipe
from imagekit.dockerfile.stages import Stage, Stages
from imagekit.dockerfile.surroundings import Surroundings


class Builders:
    """The stages that are only copied out of, each read once."""

    def __init__(self, stages: Stages, recipe: Recipe, around: Surroundings) -> None:
        self.stages, self.recipe, self.around = stages, recipe, around
        self._made: dict[int, Reading] = {}

    def of(self, stage: Stage) -> Reading:
        """The builder of a stage: on this machine where it runs nothing but a compiler that makes programs for any, and
        that cannot hurt the user's own files; else in its own image.
        """
        if stage.number not in self._made:
            language = self.around.compiled(self.stages.chain(stage)[0].image)
            here = language is not None and language.cross and runs_harmlessly(self.stages, stage, self.around.kind)
            self._made[stage.number] = (Builder if here else Contained)(stage, self)
        return self._made[stage.number]

    def finish(self) -> None:
        """Add all steps, in the order of the stages."""
        for number in sorted(self._made):
            self._made[number].finish()
