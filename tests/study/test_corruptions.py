"""Corruptions against derivations from their definition (make_cifar_c.py of hendrycks/robustness) in numpy, scipy and
Pillow: deterministic ones to 1/255, random ones in distribution."""

import io
import subprocess

import numpy as np
import pytest

from conftest import ROOT, environment

Image = pytest.importorskip("PIL.Image", reason="Pillow is not there to compare with")
ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not there to compare with")
PROGRAM = ROOT / "build" / "tests" / "programs" / "corrupt"
NAMES = ("gaussian_noise shot_noise impulse_noise speckle_noise gaussian_blur defocus_blur glass_blur motion_blur zoom_blur "
         "snow frost fog brightness contrast saturate elastic pixelate jpeg spatter").split()
STEP = 1 / 255


def corrupt(images, name, severity, seed=1, first=0):
    """images: n x channel x y x x in [0, 1]."""
    arguments = [PROGRAM, name, severity, seed, *images.shape[1:], first]
    done = subprocess.run(list(map(str, arguments)), input=images.astype("f4").tobytes(), capture_output=True, env=environment())
    assert done.returncode == 0, done.stderr
    return np.frombuffer(done.stdout, "f4").reshape(images.shape).astype(float)


def pictures(count, channels=3, height=32, width=32, seed=0):
    """Smooth shapes with edges, as bytes over 255."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 32
    made = []
    for _ in range(count * channels):
        a, b, c, d = random.uniform(1, 7, 4)
        made.append(0.5 + 0.3 * np.sin(a * x + b) * np.cos(c * y + d) + 0.2 * np.sign(np.sin(d * x + a * y)))
    made = np.array(made).reshape(count, channels, height, width)
    return np.rint(255 * np.clip(made, 0, 1)) / 255


def each_channel(images, work):
    return np.array([[work(plane) for plane in image] for image in images])


# ---- what is deterministic ----


def gaussian_blur(images, severity):
    sigma = (0.4, 0.6, 0.7, 0.8, 1)[severity - 1]
    return each_channel(images, lambda p: ndimage.gaussian_filter(p, sigma, mode="nearest", truncate=4))


def defocus_blur(images, severity):
    radius, alias = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))[severity - 1]
    grid = np.arange(-8, 9)
    disk = (grid[:, None] ** 2 + grid ** 2 <= radius ** 2).astype(float)
    tap = np.exp(-np.arange(-1, 2) ** 2 / (2 * alias ** 2))
    kernel = ndimage.correlate(disk / disk.sum(), np.outer(tap, tap) / tap.sum() ** 2, mode="constant")
    return each_channel(images, lambda p: ndimage.correlate(p, kernel, mode="mirror"))


def zoom_blur(images, severity):
    factors = np.arange(1, (1.06, 1.11, 1.16, 1.21, 1.26)[severity - 1], 0.01)

    def enlarge(plane, factor):
        crop = int(np.ceil(32 / factor))
        top = (32 - crop) // 2
        large = ndimage.zoom(plane[top : top + crop, top : top + crop], factor, order=1)
        trim = (large.shape[0] - 32) // 2
        return large[trim : trim + 32, trim : trim + 32]

    return each_channel(images, lambda p: (p + sum(enlarge(p, f) for f in factors)) / (len(factors) + 1))


def hsv(images, change):
    """By the standard library, pixel by pixel."""
    import colorsys

    result = images.copy()
    for image in result:
        for y, x in np.ndindex(image.shape[1:]):
            image[:, y, x] = colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*image[:, y, x])))
    return result


def brightness(images, severity):
    more = (0.05, 0.1, 0.15, 0.2, 0.3)[severity - 1]
    return hsv(images, lambda h, s, v: (h, s, min(v + more, 1)))


def saturate(images, severity):
    times, plus = ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))[severity - 1]
    return hsv(images, lambda h, s, v: (h, min(s * times + plus, 1), v))


def contrast(images, severity):
    mean = images.mean((2, 3), keepdims=True)
    return (images - mean) * (0.75, 0.5, 0.4, 0.3, 0.15)[severity - 1] + mean


def through_pillow(images, change):
    def one(image):
        picture = Image.fromarray(np.rint(255 * image).astype(np.uint8).transpose(1, 2, 0))
        return np.asarray(change(picture)).transpose(2, 0, 1) / 255

    return np.array([one(image) for image in images])


def pixelate(images, severity):
    small = int(32 * (0.95, 0.9, 0.85, 0.75, 0.65)[severity - 1])
    return through_pillow(images, lambda p: p.resize((small, small), Image.BOX).resize((32, 32), Image.BOX))


def jpeg(images, severity):
    def there_and_back(picture):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=(80, 65, 58, 50, 40)[severity - 1])
        return Image.open(file)

    return through_pillow(images, there_and_back)


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("wanted", [gaussian_blur, defocus_blur, zoom_blur, brightness, saturate, contrast, pixelate, jpeg])
def test_deterministic_ones_to_a_level(wanted, severity):
    images = pictures(4)
    got, right = corrupt(images, wanted.__name__, severity), np.clip(wanted(images, severity), 0, 1)
    assert np.abs(got - right).max() <= (STEP if wanted in (pixelate, jpeg) else 1e-5) * 1.001
    assert np.abs(right - images).max() > STEP or (wanted, severity) == (defocus_blur, 1)


# ---- what is random ----


def test_noise_in_distribution():
    images = np.broadcast_to(np.array([0.3, 0.5, 0.7])[:, None, None], (40, 3, 32, 32)).copy()
    count = images[:, 0].size
    for severity in range(1, 6):
        shot, sigma, speckle, share = (c[severity - 1] for c in ((500, 250, 100, 75, 50), (0.04, 0.06, 0.08, 0.09, 0.1),
                                       (0.06, 0.1, 0.12, 0.16, 0.2), (0.01, 0.02, 0.03, 0.05, 0.07)))
        for name, deviation in (("gaussian_noise", lambda p: sigma), ("shot_noise", lambda p: np.sqrt(p / shot)),
                                ("speckle_noise", lambda p: p * speckle)):
            noise = corrupt(images, name, severity) - images
            for channel, level in enumerate((0.3, 0.5, 0.7)):
                of = noise[:, channel].ravel()
                right = deviation(level)
                assert abs(of.mean()) < 5 * right / np.sqrt(count) + (0.02 * right if level == 0.7 else 0), name  # a little is clipped
                assert abs(of.std() / right - 1) < 0.03, name
                assert abs(np.corrcoef(of[:-1], of[1:])[0, 1]) < 0.03  # white
        struck = corrupt(images, "impulse_noise", severity)
        changed = struck != images.astype("f4")
        assert abs(changed.mean() - share) < 5 * np.sqrt(share / changed.size)
        assert set(np.unique(struck[changed])) == {0, 1} and abs(struck[changed].mean() - 0.5) < 0.03


def test_shot_noise_counts_photons():
    """Small and large means: Poisson's probabilities, by chi squared."""
    stats = pytest.importorskip("scipy.stats")
    for level, severity in ((0.1, 5), (0.9, 3)):
        mean = level * (500, 250, 100, 75, 50)[severity - 1]
        images = np.full((40, 1, 32, 32), level)
        counts = np.rint(corrupt(images, "shot_noise", severity).ravel() * (500, 250, 100, 75, 50)[severity - 1])
        low, high = int(mean - 2.5 * np.sqrt(mean)), int(min(mean + 2.5 * np.sqrt(mean), 99))
        inside = np.array([(counts == k).sum() for k in range(low, high)] + [((counts < low) | (counts >= high)).sum()])
        p = stats.poisson.pmf(np.arange(low, high), mean.item() if hasattr(mean, "item") else mean)
        p = np.append(p, 1 - p.sum())
        assert stats.chisquare(inside, p * len(counts)).pvalue > 1e-4


def test_fog_is_a_fractal_and_frost_and_snow_lighten():
    images = pictures(60)
    for severity in range(1, 6):
        amplitude = (0.2, 0.5, 0.75, 1, 1.5)[severity - 1]
        most = images.max((1, 2, 3), keepdims=True)
        layer = corrupt(images, "fog", severity) * (most + amplitude) / most - images  # amplitude x plasma from 0 to 1
        assert np.abs(layer - layer[:, :1]).max() < 1e-5 and layer.min() > -1e-5 and layer.max() < amplitude + 1e-5
        spectrum = (np.abs(np.fft.rfft2(layer[:, 0])) ** 2).mean(0)
        assert spectrum[0, 1:4].mean() > 20 * spectrum[0, 12:].mean()  # low frequencies rule
        for name in ("snow", "frost"):
            assert corrupt(images * 0.4, name, severity).mean() > (images * 0.4).mean() * (1.02 if severity > 1 else 1)


def test_motion_and_elastic_move_but_keep():
    images = pictures(60)
    for name in ("motion_blur", "elastic", "glass_blur"):
        for severity in (1, 3, 5):
            got = corrupt(images, name, severity)
            assert abs(got.mean() - images.mean()) < 0.02 and 0.005 < np.abs(got - images).mean() < 0.25, name
    def sharpness(x):
        return np.abs(np.diff(x, axis=3)).mean() + np.abs(np.diff(x, axis=2)).mean()
    blurred = [sharpness(corrupt(images, "motion_blur", s)) for s in range(1, 6)]
    assert sharpness(images) > blurred[0] > blurred[1] > blurred[2] > blurred[4]


def test_spatter_is_water_then_mud():
    images = np.full((30, 3, 32, 32), 0.5)
    water, mud = corrupt(images, "spatter", 3) - images, corrupt(images, "spatter", 5) - images
    assert water.min() > -1e-6 and water.max() > 0.2 and (water[:, 1] >= water[:, 0] - 1e-6).all()
    assert mud.max() < 1e-6 and mud.min() < -0.3


# ---- what holds for all ----


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 21, 45), (1, 64, 17), (4, 9, 9)])
def test_any_size_the_same_wherever_it_is_made(shape):
    images = pictures(5, *shape)
    for name in NAMES:
        together = corrupt(images, name, 3)
        assert np.isfinite(together).all() and together.min() >= 0 and together.max() <= 1
        assert np.array_equal(corrupt(images[3:4], name, 3, first=3)[0], together[3]), name
        stays = name == "saturate" and shape[0] != 3 or name == "spatter"
        assert stays or not np.array_equal(together, images.astype("f4")), name


def test_severity_and_seed_count():
    images = pictures(8)
    for name in NAMES:
        made = [corrupt(images, name, severity) for severity in range(1, 6)]
        assert len({m.tobytes() for m in made}) == 5, name
        again = corrupt(images, name, 5, seed=2)
        random = name not in ("gaussian_blur", "defocus_blur", "zoom_blur", "brightness", "contrast", "saturate", "pixelate", "jpeg")
        assert np.array_equal(again, made[4]) != random, name
