//! Colours for numbers. All maps are perceptual (equal steps of the number look like equal steps) and readable for
//! colour-blind eyes and in grey print; none starts at black on dark or white on light ground, where "never accessed"
//! must still be told from "not monitored".

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// The colour 0xRRGGBB.
    pub const fn hex(value: u32) -> Rgb {
        Rgb((value >> 16) as u8, (value >> 8) as u8, value as u8)
    }

    /// `part` of the way to another colour, 0..=1.
    pub(crate) fn toward(self, other: Rgb, part: f64) -> Rgb {
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
        Rgb(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// The nearest colour of a terminal's 256, out of its 6×6×6 cube and its greys.
    ///
    /// Nearest to the eye: in red, green and blue the dusky neighbours of a strong colour are as near as its strong ones,
    /// which puts a muddy step into a map. A colour that is weaker than wanted therefore counts as further away.
    pub(crate) fn ansi256(self) -> u8 {
        let (wanted, strength) = (self.oklab(), self.strength());
        let distance = |code: u8| {
            let color = Rgb::of_ansi256(code);
            let parts = wanted.iter().zip(color.oklab()).map(|(a, b)| (a - b).powi(2));
            parts.sum::<f64>() + DUSKY * (strength - color.strength()).max(0.0).powi(2)
        };
        (16..=255).min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap_or(16)
    }

    /// What a terminal shows for a number of its 256 colours, from 16 upwards; the 16 below are the user's own.
    pub(crate) fn of_ansi256(code: u8) -> Rgb {
        const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
        let level = |i: u8| LEVELS[usize::from(i % 6)];
        match code {
            232.. => {
                let grey = 8 + 10 * (code - 232);
                Rgb(grey, grey, grey)
            }
            _ => {
                let cube = code.saturating_sub(16);
                Rgb(level(cube / 36), level(cube / 6), level(cube))
            }
        }
    }

    /// Lightness, and how green or red and how blue or yellow the colour is, so that equal distances look equal (OKLab).
    fn oklab(self) -> [f64; 3] {
        let linear = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let (r, g, b) = (linear(self.0), linear(self.1), linear(self.2));
        let cone = |by: [f64; 3]| (by[0] * r + by[1] * g + by[2] * b).cbrt();
        let l = cone([0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9]);
        let m = cone([0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6]);
        let s = cone([0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5]);
        [
            0.210_454_255_3 * l + 0.793_617_785 * m - 0.004_072_046_8 * s,
            1.977_998_495_1 * l - 2.428_592_205 * m + 0.450_593_709_9 * s,
            0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766 * s,
        ]
    }

    /// How far from grey the colour is.
    fn strength(self) -> f64 {
        let [_, a, b] = self.oklab();
        a.hypot(b)
    }

    /// How bright the colour looks, 0..=1.
    pub(crate) fn lightness(self) -> f64 {
        self.oklab()[0]
    }

    /// As in CSS: `#rrggbb`.
    pub(crate) fn css(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// By how much a colour that is weaker than wanted counts as further away.
const DUSKY: f64 = 6.0;
/// Steps that a map is looked up in on terminals of 256 colours: more than there are colours to tell apart.
const STEPS: usize = 32;

damo_model::words! {
    /// A colour map.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum ColorMap {
        /// Dark violet, red, orange, pale yellow.
        #[default]
        Inferno = "inferno",
        /// Dark violet, pink, cream.
        Magma = "magma",
        /// Blue-violet, teal, yellow-green.
        Viridis = "viridis",
        /// Blue, grey, yellow: made for red-green blindness.
        Cividis = "cividis",
        /// Greys from black to white.
        Gray = "gray",
    }
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

/// Colours of a difference, from none outwards: no hue is confused with its counterpart by red-green blindness.
const LESS_ON_LIGHT: [u32; 4] = [0xf6f6f3, 0x9fcbe8, 0x0072b2, 0x062f52];
const MORE_ON_LIGHT: [u32; 4] = [0xf6f6f3, 0xf5c08a, 0xd55e00, 0x6a2500];
const LESS_ON_DARK: [u32; 4] = [0x272c33, 0x1f5f8f, 0x4ba3dd, 0xb5e0ff];
const MORE_ON_DARK: [u32; 4] = [0x272c33, 0x8f4d1c, 0xe58f3a, 0xffe0b0];

/// The colour of a difference from -1 (less) over 0 (none) to 1 (more), on dark or light ground.
pub(crate) fn diverging(dark: bool, value: f64) -> Rgb {
    let anchors = match (dark, value < 0.0) {
        (false, true) => LESS_ON_LIGHT,
        (false, false) => MORE_ON_LIGHT,
        (true, true) => LESS_ON_DARK,
        (true, false) => MORE_ON_DARK,
    };
    let scaled = if value.is_nan() { 0.0 } else { value.abs().min(1.0) } * (anchors.len() - 1) as f64;
    let below = (scaled as usize).min(anchors.len() - 2);
    Rgb::hex(anchors[below]).toward(Rgb::hex(anchors[below + 1]), scaled - below as f64)
}

impl ColorMap {
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
    pub(crate) fn on_dark(self, position: f64) -> Rgb {
        let from = match self {
            ColorMap::Viridis | ColorMap::Cividis => 0.0,
            ColorMap::Inferno | ColorMap::Magma | ColorMap::Gray => 0.12,
        };
        self.at(from + position * (1.0 - from))
    }

    /// The colour of 0..=1 on light ground: darker is more.
    pub(crate) fn on_light(self, position: f64) -> Rgb {
        let to = match self {
            ColorMap::Viridis | ColorMap::Cividis => 1.0,
            ColorMap::Inferno | ColorMap::Magma | ColorMap::Gray => 0.88,
        };
        let position = if position.is_nan() { 0.0 } else { position.clamp(0.0, 1.0) };
        let color = self.at(1.0 - (0.04 + position * (to - 0.04)));
        // Large cold areas must not shout: nearly white, then quickly into the map.
        color.toward(PAPER, 0.82 * (1.0 - position).powi(5))
    }

    /// The colour of 0..=1 on dark or light ground.
    pub fn color(self, dark: bool, position: f64) -> Rgb {
        if dark { self.on_dark(position) } else { self.on_light(position) }
    }

    /// The map in a terminal's 256 colours, from cold to hot in equal steps: no step is darker than the one before on dark
    /// ground, or brighter on light ground.
    pub fn ansi256(self, dark: bool) -> Vec<u8> {
        let mut steps: Vec<u8> = Vec::with_capacity(STEPS);
        for i in 0..STEPS {
            let code = self.color(dark, i as f64 / (STEPS - 1) as f64).ansi256();
            let back = |before: &&u8| {
                let [old, new] = [**before, code].map(|code| Rgb::of_ansi256(code).lightness());
                if dark { new < old } else { new > old }
            };
            let kept = steps.last().filter(back).copied();
            steps.push(kept.unwrap_or(code));
        }
        steps
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
        for (name, map) in ColorMap::NAMED {
            for i in 0..100 {
                let (a, b) = (f64::from(i) / 100.0, f64::from(i + 1) / 100.0);
                assert!(luminance(map.on_dark(a)) <= luminance(map.on_dark(b)) + 1.0, "{name} at {a}");
                assert!(luminance(map.on_light(a)) + 1.0 >= luminance(map.on_light(b)), "{name} at {a}");
            }
        }
    }

    #[test]
    fn more_and_less_are_as_far_from_none_and_told_apart_by_their_hue() {
        for dark in [false, true] {
            for step in 1..=20 {
                let [less, more] = [-1.0, 1.0].map(|sign| diverging(dark, sign * f64::from(step) / 20.0));
                let before = diverging(dark, f64::from(step - 1) / 20.0);
                assert!((less.lightness() - more.lightness()).abs() < 0.09, "{dark} {step}: {less:?} {more:?}");
                assert!((more.lightness() > before.lightness()) == dark, "{dark} {step}");
                let (yellow_of_less, yellow_of_more) = (less.oklab()[2], more.oklab()[2]);
                assert!(yellow_of_less < 0.0 && yellow_of_more > 0.0, "{dark} {step}: {less:?} {more:?}");
            }
        }
    }

    #[test]
    fn terminal_colours_are_near() {
        assert_eq!(Rgb(255, 0, 0).ansi256(), 196);
        assert_eq!(Rgb(0, 0, 0).ansi256(), 16);
        assert_eq!(Rgb(120, 121, 120).ansi256(), 243);
        assert_eq!(Rgb::of_ansi256(196), Rgb(255, 0, 0));
        assert_eq!(Rgb::of_ansi256(243), Rgb(118, 118, 118));
    }

    #[test]
    fn no_step_of_256_colours_is_muddy_or_goes_back() {
        for (name, map) in ColorMap::NAMED {
            for dark in [true, false] {
                let steps = map.ansi256(dark);
                for (i, code) in steps.iter().enumerate() {
                    let (wanted, shown) = (map.color(dark, i as f64 / 31.0), Rgb::of_ansi256(*code));
                    let weaker = wanted.strength() - shown.strength();
                    assert!(weaker < 0.05, "{name} step {i}: {} is shown as {}", wanted.css(), shown.css());
                }
                let light: Vec<f64> = steps.iter().map(|code| Rgb::of_ansi256(*code).lightness()).collect();
                let on = |pair: &[f64]| if dark { pair[0] <= pair[1] } else { pair[0] >= pair[1] };
                assert!(light.windows(2).all(on), "{name}: {steps:?}");
                let mut distinct = steps.clone();
                distinct.dedup();
                assert!(distinct.len() >= 11, "{name}: {distinct:?}");
            }
        }
    }
}
