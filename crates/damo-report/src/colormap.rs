//! Colours for numbers. All maps are perceptual (equal steps of the number look like equal steps) and readable for
//! colour-blind eyes and in grey print; none starts at black on dark or white on light ground, where "never accessed"
//! must still be told from "not monitored".

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// From 0xRRGGBB.
    pub const fn hex(value: u32) -> Rgb {
        Rgb((value >> 16) as u8, (value >> 8) as u8, value as u8)
    }

    /// `part` of the way to another colour, 0..=1.
    pub fn toward(self, other: Rgb, part: f64) -> Rgb {
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
        Rgb(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// The nearest colour of a terminal's 256, out of its 6×6×6 cube and its greys.
    pub fn ansi256(self) -> u8 {
        const LEVELS: [i32; 6] = [0, 95, 135, 175, 215, 255];
        let nearest = |value: u8| (0..6).min_by_key(|i| (LEVELS[*i] - i32::from(value)).abs()).unwrap_or(0);
        let (r, g, b) = (nearest(self.0), nearest(self.1), nearest(self.2));
        let far = |r: i32, g: i32, b: i32| {
            (r - i32::from(self.0)).pow(2) + (g - i32::from(self.1)).pow(2) + (b - i32::from(self.2)).pow(2)
        };
        let mean = (i32::from(self.0) + i32::from(self.1) + i32::from(self.2)) / 3;
        let grey = ((mean - 3) / 10).clamp(0, 23);
        let grey_level = 8 + 10 * grey;
        if far(grey_level, grey_level, grey_level) < far(LEVELS[r], LEVELS[g], LEVELS[b]) {
            232 + grey as u8
        } else {
            (16 + 36 * r + 6 * g + b) as u8
        }
    }

    /// As in CSS: `#rrggbb`.
    pub fn css(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// A colour map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorMap {
    /// Dark violet, red, orange, pale yellow.
    #[default]
    Inferno,
    /// Dark violet, pink, cream.
    Magma,
    /// Blue-violet, teal, yellow-green.
    Viridis,
    /// Blue, grey, yellow: made for red-green blindness.
    Cividis,
    /// Greys.
    Gray,
}

/// Evenly spaced colours of the maps published with matplotlib (public domain, CC0).
const INFERNO: [u32; 11] =
    [0x000004, 0x160b39, 0x420a68, 0x6a176e, 0x932667, 0xbc3754, 0xdd513a, 0xf37819, 0xfca50a, 0xf6d746, 0xfcffa4];
const MAGMA: [u32; 11] =
    [0x000004, 0x140e36, 0x3b0f70, 0x641a80, 0x8c2981, 0xb73779, 0xde4968, 0xf7705c, 0xfe9f6d, 0xfecf92, 0xfcfdbf];
const VIRIDIS: [u32; 11] =
    [0x440154, 0x482475, 0x414487, 0x355f8d, 0x2a788e, 0x21918c, 0x22a884, 0x44bf70, 0x7ad151, 0xbddf26, 0xfde725];
const CIVIDIS: [u32; 10] =
    [0x00224e, 0x123570, 0x3b496c, 0x575d6d, 0x707173, 0x8a8678, 0xa59c74, 0xc3b369, 0xe1cc55, 0xfee838];
/// What cold fades into on light ground.
const PAPER: Rgb = Rgb::hex(0xfdfdfb);
const GRAY: [u32; 2] = [0x000000, 0xffffff];

impl ColorMap {
    /// All maps by the names that options take.
    pub const ALL: [(&'static str, ColorMap); 5] = [
        ("inferno", ColorMap::Inferno),
        ("magma", ColorMap::Magma),
        ("viridis", ColorMap::Viridis),
        ("cividis", ColorMap::Cividis),
        ("gray", ColorMap::Gray),
    ];

    /// The map of a name.
    pub fn named(name: &str) -> Option<ColorMap> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, map)| *map)
    }

    fn anchors(self) -> &'static [u32] {
        match self {
            ColorMap::Inferno => &INFERNO,
            ColorMap::Magma => &MAGMA,
            ColorMap::Viridis => &VIRIDIS,
            ColorMap::Cividis => &CIVIDIS,
            ColorMap::Gray => &GRAY,
        }
    }

    fn at(self, position: f64) -> Rgb {
        let anchors = self.anchors();
        let last = anchors.len().saturating_sub(1);
        let scaled = if position.is_nan() { 0.0 } else { position.clamp(0.0, 1.0) } * last as f64;
        let below = (scaled as usize).min(last);
        let color = |i: usize| anchors.get(i.min(last)).map_or(Rgb(0, 0, 0), |value| Rgb::hex(*value));
        color(below).toward(color(below + 1), scaled - below as f64)
    }

    /// The colour of 0..=1 on dark ground: brighter is more.
    pub fn on_dark(self, position: f64) -> Rgb {
        let from = match self {
            ColorMap::Viridis | ColorMap::Cividis => 0.0,
            ColorMap::Inferno | ColorMap::Magma | ColorMap::Gray => 0.12,
        };
        self.at(from + position * (1.0 - from))
    }

    /// The colour of 0..=1 on light ground: darker is more.
    pub fn on_light(self, position: f64) -> Rgb {
        let to = match self {
            ColorMap::Viridis | ColorMap::Cividis => 1.0,
            ColorMap::Inferno | ColorMap::Magma | ColorMap::Gray => 0.88,
        };
        let position = if position.is_nan() { 0.0 } else { position.clamp(0.0, 1.0) };
        let color = self.at(1.0 - (0.04 + position * (to - 0.04)));
        // Large cold areas must not shout: nearly white, then quickly into the map.
        color.toward(PAPER, 0.82 * (1.0 - position).powi(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(color: Rgb) -> f64 {
        0.2126 * f64::from(color.0) + 0.7152 * f64::from(color.1) + 0.0722 * f64::from(color.2)
    }

    #[test]
    fn more_is_always_brighter_on_dark_and_darker_on_light() {
        for (name, map) in ColorMap::ALL {
            for i in 0..100 {
                let (a, b) = (f64::from(i) / 100.0, f64::from(i + 1) / 100.0);
                assert!(luminance(map.on_dark(a)) <= luminance(map.on_dark(b)) + 1.0, "{name} at {a}");
                assert!(luminance(map.on_light(a)) + 1.0 >= luminance(map.on_light(b)), "{name} at {a}");
            }
        }
    }

    #[test]
    fn terminal_colours_are_near() {
        assert_eq!(Rgb(255, 0, 0).ansi256(), 196);
        assert_eq!(Rgb(0, 0, 0).ansi256(), 16);
        assert_eq!(Rgb(120, 121, 120).ansi256(), 243);
    }
}
