# Spack's recipe for facet: from the clone that it lies in, with every library of Spack's own; without the viewer, which
# npm builds from its registry.
import os

from spack_repo.builtin.build_systems.makefile import MakefilePackage

from spack.package import *

# The clone that this recipe lies in is where its sources come from.
CLONE = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 5))


class Facet(MakefilePackage):
    """What a ReLU network does with each sample, exactly, and what pruning changes about it: the program facet (MPI),
    libfacet (without MPI), and the Python side that reads results."""

    git = "file://" + CLONE

    license("BSD-3-Clause")

    version("main", branch="main")

    variant("build_type", default="Release", values=("Release", "Debug"), description="Debug: not optimized")
    variant("python", default=True, description="what the Python side needs")

    depends_on("c", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3:")
    depends_on("hdf5@1.10: +mpi+hl+shared")
    depends_on("scalapack")
    depends_on("openblas@0.3: threads=openmp")
    depends_on("onednn@2.6: cpu_runtime=omp")
    depends_on("protobuf-c")  # and protoc-c, for the build
    depends_on("libyaml")
    depends_on("libjpeg-turbo")
    depends_on("xxhash@0.8:")
    depends_on("libmicrohttpd@0.9.71:")
    depends_on("zlib-api")
    depends_on("openssl@3:")
    depends_on("random123", type="build")
    with when("+python"), default_args(type="run"):
        depends_on("python@3.11:")
        depends_on("py-h5netcdf@1.3:")
        depends_on("py-h5py@3.8:")
        depends_on("py-jinja2@3.1:")
        depends_on("py-matplotlib@3.8:")
        depends_on("py-numpy@1.26:")
        depends_on("py-pandas@2.1:")
        depends_on("py-xarray@2024.10:")

    # The schema of ONNX files, from which protoc-c makes the reader.
    resource(
        name="onnx",
        url="https://github.com/onnx/onnx/archive/refs/tags/v1.17.0.tar.gz",
        sha256="8d5e983c36037003615e5a02d36b18fc286541bf52de1a78f6cf9f32005a820e",
        placement="onnx-schema",
    )

    build_time_test_callbacks = []  # make test installs packages of Debian; test_version is for what Spack has installed

    @property
    def build_targets(self):
        spec = self.spec
        return [
            "CC=" + spec["mpi"].mpicc,
            "HDF5_DIR=" + spec["hdf5"].prefix,
            "SCALAPACK_LIBS=" + spec["scalapack"].libs.ld_flags,
            "OPENBLAS_LIBS=" + spec["openblas"].libs.ld_flags,
            "ONEDNN_DIR=" + spec["onednn"].prefix,
            "YAML_DIR=" + spec["libyaml"].prefix,
            "RANDOM123_DIR=" + spec["random123"].prefix,
            "ONNX_PROTO=" + join_path(self.stage.source_path, "onnx-schema", "onnx", "onnx.proto"),
            "CFLAGS=" + ("-O0" if spec.satisfies("build_type=Debug") else ""),
            "V=1",
        ]

    @property
    def install_targets(self):
        return ["install", "PREFIX=" + self.prefix, *self.build_targets]

    def setup_run_environment(self, env):
        env.prepend_path("PYTHONPATH", join_path(self.prefix, "share", "facet", "analysis"))

    def test_version(self):
        """The installed program says which one it is"""
        said = Executable(self.prefix.bin.facet)("--version", output=str.split, error=str.split)
        assert "facet " in said and "compiler" in said
