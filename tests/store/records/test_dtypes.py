import numpy as np
import torch
from hypothesis import given
from hypothesis.extra import numpy as hnp

from sega_store.records.dtypes import narrow, widen
from tests.store.samples import Array


@given(hnp.arrays(np.float32, 20))
def test_bfloat16_rounds_as_torch_does(values: Array) -> None:
    values = values[np.isfinite(values)]
    ours = narrow(values, "bfloat16")
    theirs = torch.from_numpy(values).to(torch.bfloat16)
    np.testing.assert_array_equal(ours, theirs.view(torch.int16).numpy().view(np.uint16))
    np.testing.assert_array_equal(widen(ours, "bfloat16"), theirs.float().numpy())
