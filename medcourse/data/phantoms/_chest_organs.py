"""Heart, great vessels, windpipe and gullet of a chest, as ellipsoids and tubes in millimetres."""

from __future__ import annotations

import numpy as np

from medcourse.data.phantoms._chest_anatomy import Array, Chest, cage_centre, heart_frame, skin_radius


def heart_parts(chest: Chest) -> list[tuple[str, Array, Array, Array, float]]:
    """Ellipsoids of the heart: tissue, centre, map of the unit circle onto a cut, its drift with height, 1/height²."""
    centre, frame = heart_frame(chest)
    axes = np.array(chest.heart_axes)
    parts = [("medfat", centre, axes + 4), ("myocardium", centre, axes)]
    for along, across, up, size in (
        (0.22, 0.30, -0.02, (0.50, 0.36, 0.46)),  # left ventricle
        (0.12, -0.46, -0.10, (0.56, 0.34, 0.55)),  # right ventricle
        (-0.52, -0.18, 0.0, (0.34, 0.52, 0.60)),  # right atrium
        (-0.34, 0.60, 0.30, (0.50, 0.30, 0.42)),  # left atrium
    ):
        parts.append(("blood", centre + (np.array([along, across, up]) * axes) @ frame, np.array(size) * axes))
    out = []
    for tissue, middle, half in parts:
        matrix = frame.T @ np.diag(1 / half**2) @ frame
        a, b, d = matrix[0, 0], matrix[0, 1], matrix[1, 1]
        p, q = matrix[0, 2], matrix[1, 2]
        det = a * d - b * b
        shift = -np.array([d * p - b * q, a * q - b * p]) / det
        up = float(matrix[2, 2] + p * shift[0] + q * shift[1])
        one, low = np.sqrt(a), np.sqrt(det / a)
        out.append((tissue, middle, np.array([[1 / one, 0.0], [-b / (a * low), 1 / low]]), shift, up))
    return out


def great_tubes(chest: Chest) -> list[tuple[str, Array, Array | float]]:
    """Tubes of the mediastinum, in the order in which they are drawn: tissue, points (n, 3), radius."""
    s, r = chest.scale, chest.aorta
    x, y, z = chest.heart

    def line(*knots: tuple[float, float, float], n: int = 40) -> Array:
        at = np.linspace(0, len(knots) - 1, n)
        columns = zip(*knots, strict=True)
        points: Array = np.stack([np.interp(at, np.arange(len(knots)), column) for column in columns], axis=1)
        return points

    back = chest.spine - 11
    arch = chest.arch
    turn = np.linspace(0, np.pi, 26)
    bow = np.stack([2 + -19 * np.cos(turn), -8 + (back + 8) * (1 - np.cos(turn)) / 2 - 14 * (1 + np.cos(turn)) / 2,
                    arch - 16 + 16 * np.sin(turn)], axis=1)  # fmt: skip
    level = np.linspace(-230, arch - 16, 66)
    down = np.stack(
        [21 - 12 / (1 + np.exp((level + 150) / 18)), back + (chest.spine - 11 - back) + 0 * level, level], 1
    )
    down[:, 1] += -9 * ((level + 15) / 120) ** 2
    right, left = hila(chest)
    carina = (0.0, 10.0, 0.0)
    t = chest.trachea
    pipe = line((0.0, 2.0, 150.0), (0.0, 7.0, 60.0), carina, n=52)
    bronchi = [line(carina, tuple(hilum["airway"]), n=44) for hilum in (right, left)]
    return [
        ("blood", line((-17, -24, arch - 16), (-12, -27, -25), (2, -22, z + 12)), r + 4.5),  # ascending aorta
        ("blood", bow, r + 1.5),
        ("blood", down, r),
        ("blood", line((-26, -22, arch + 30), (-25, -22, 0), (-22, -20, z + 5)), 9.0 * s),  # superior vena cava
        ("blood", line((19, -42, z + 22), (14, -36, -32), (16, -18, -16)), 12.5 * s),  # pulmonary trunk
        ("blood", line((14, -22, -20), (-16, -6, -22), tuple(right["artery"]), n=34), 9.0 * s),
        ("blood", line((16, -18, -14), tuple(left["artery"]), n=26), 9.5 * s),
        ("blood", line((x - 20, y + 24, z + 26), tuple(right["vein"]), n=18), 6.5 * s),
        ("blood", line((x - 2, y + 34, z + 26), tuple(left["vein"]), n=18), 6.5 * s),
        ("blood", line((-12, -22, arch), (-15, -12, arch + 70)), 5.5),  # arteries of head and arms
        ("blood", line((2, -16, arch + 6), (10, -4, arch + 70)), 4.0),
        ("blood", line((14, -4, arch + 4), (24, 8, arch + 66)), 4.5),
        ("wall", np.stack([5 + 3 * np.sin(level / 60), back - 9 - 9 * ((level + 15) / 120) ** 2, level], 1), 7.0),
        ("wall", pipe, t + 1.6),
        *(("wall", path, np.linspace(t * 0.80, t * 0.68, 44) + 1.4) for path in bronchi),
        ("airway", pipe, t),
        *(("airway", path, np.linspace(t * 0.80, t * 0.68, 44)) for path in bronchi),
    ]  # fmt: skip


def hila(chest: Chest) -> tuple[dict[str, Array], dict[str, Array]]:
    """Where arteries, veins and airways enter the right and the left lung."""
    s, m = chest.scale, 30 * chest.mediastinum
    return (
        {"artery": np.array([-m - 6, 4, -24 * s]), "vein": np.array([-m - 4, 4, -46 * s]),
         "airway": np.array([-m - 3, 14, -27 * s])},
        {"artery": np.array([m + 7, 12, -12 * s]), "vein": np.array([m + 7, 14, -48 * s]),
         "airway": np.array([m + 7, 17, -30 * s])},
    )  # fmt: skip


def table_shells(chest: Chest) -> Array:
    """The scanner's table below the back: outlines of two thin curved shells, (2, points, 2)."""
    back, level = np.array([np.pi / 2]), np.array([-40.0])
    top = float((skin_radius(chest, back, level) + cage_centre(chest, level))[0]) + 6
    x = np.linspace(-215, 215, 25)
    y = top - 0.0009 * x**2
    return np.stack(
        [np.concatenate([np.stack([x, y + d], 1), np.stack([x, y + d + 2.4], 1)[::-1]]) for d in (0.0, 22.0)]
    )


def body_box(chest: Chest, z: Array) -> tuple[Array, Array]:
    """Lowest and highest corner (x, y) of a rectangle around the body at these levels."""
    theta = np.linspace(0, 2 * np.pi, 72)
    level = z[:, None]
    radius = skin_radius(chest, theta[None], level) + 1.0
    x, y = radius * np.cos(theta), radius * np.sin(theta) + cage_centre(chest, np.minimum(level, 20.0))
    return np.array([x.min(), y.min()]), np.array([x.max(), y.max()])
