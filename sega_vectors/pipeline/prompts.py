"""Texts that a pipeline's text encoders would cut."""

from diffusers import DiffusionPipeline

from sega_store import InvalidInputError


def check_prompt(pipe: DiffusionPipeline, text: str) -> None:
    """Check that every tokenizer of the pipeline takes the whole text.

    Raises:
        InvalidInputError: One of them would cut it; the message says what.
    """
    for name, tokenizer in pipe.components.items():
        if not name.startswith("tokenizer") or tokenizer is None:
            continue
        ids = tokenizer(text, truncation=False, verbose=False).input_ids
        limit = tokenizer.model_max_length
        if len(ids) > limit:
            ends = [i for i in ids[-1:] if i in tokenizer.all_special_ids]
            cut = tokenizer.decode(ids[limit - len(ends) : len(ids) - len(ends)])
            raise InvalidInputError(
                f"a text may have {limit} tokens for this model's {name}, {text[:40]!r}... has {len(ids)}:"
                f" {cut!r} would be cut, shorten it"
            )
