"""A dataset of HDF5 as xarray's lazy arrays: what is selected is read, nothing else."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing


class Lazy(BackendArray):
    """Reads a selection of a dataset when its values are asked for. float16 comes as float32: it is for the disk, sums in it
    are not what anybody wants."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.dataset = dataset
        self.shape = dataset.shape
        half = dataset.dtype == np.float16
        self.dtype = np.dtype(object if h5py.check_string_dtype(dataset.dtype) else np.float32 if half else dataset.dtype)

    @staticmethod
    def of(dataset: h5py.Dataset) -> indexing.LazilyIndexedArray:
        return indexing.LazilyIndexedArray(Lazy(dataset))

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._read)

    def _read(self, key: tuple[Any, ...]) -> Any:
        if h5py.check_string_dtype(self.dataset.dtype):
            return self.dataset.asstr()[key]
        return self.dataset[key].astype(self.dtype, copy=False)
