//! Camera pixels to RGB by the formulas of the kernel's documentation, independent of the program's own conversions: slow and plain.

use image::{Rgb, RgbImage};

/// YCbCr encoding and quantization.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encoding {
    /// Weights of red and blue in luma.
    pub red: f64,
    pub blue: f64,
    /// 0..255 rather than 16..235.
    pub full_range: bool,
}

impl Encoding {
    pub const BT601: Encoding = Encoding { red: 0.299, blue: 0.114, full_range: false };
    const BT709: Encoding = Encoding { red: 0.2126, blue: 0.0722, full_range: false };

    /// From the output of `v4l2-ctl --get-fmt-video`, `Default (maps to …)` included.
    pub fn parse(text: &str) -> Encoding {
        let line = |name: &str| text.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
        let encoding = if line("YCbCr").contains("709") { Encoding::BT709 } else { Encoding::BT601 };
        Encoding { full_range: line("Quantization").contains("Full"), ..encoding }
    }

    fn rgb(self, luma: u8, chroma: Option<(u8, u8)>) -> Rgb<u8> {
        let (luma, chroma_range) = match self.full_range {
            true => (f64::from(luma) / 255.0, 255.0),
            false => ((f64::from(luma) - 16.0) / 219.0, 224.0),
        };
        let (cb, cr) = chroma.map_or((0.0, 0.0), |(cb, cr)| {
            ((f64::from(cb) - 128.0) / chroma_range, (f64::from(cr) - 128.0) / chroma_range)
        });
        let green = 1.0 - self.red - self.blue;
        let r = luma + 2.0 * (1.0 - self.red) * cr;
        let b = luma + 2.0 * (1.0 - self.blue) * cb;
        let g = (luma - self.red * r - self.blue * b) / green;
        Rgb([r, g, b].map(|v| (255.0 * v).round().clamp(0.0, 255.0) as u8))
    }
}

/// Decodes `bytes`, whose rows have no padding and whose planes follow one another. `format` is a four-character code.
pub fn decode(format: &str, encoding: Encoding, bytes: &[u8], width: u32, height: u32) -> RgbImage {
    let (w, h) = (width as usize, height as usize);
    // Indices of luma, Cb and Cr of the pixel at x, y.
    let yuv = |x: usize, y: usize| -> Option<(usize, usize, usize)> {
        let (pair, quarter) = (2 * (y * w + x / 2 * 2), y / 2 * (w / 2) + x / 2);
        Some(match format {
            "YUYV" => (2 * (y * w + x), pair + 1, pair + 3),
            "UYVY" => (2 * (y * w + x) + 1, pair, pair + 2),
            "NV12" => (y * w + x, w * h + 2 * quarter, w * h + 2 * quarter + 1),
            "YU12" => (y * w + x, w * h + quarter, w * h + w * h / 4 + quarter),
            _ => return None,
        })
    };
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (x as usize, y as usize);
        if let Some((luma, cb, cr)) = yuv(x, y) {
            return encoding.rgb(bytes[luma], Some((bytes[cb], bytes[cr])));
        }
        let at = y * w + x;
        match format {
            "GREY" => encoding.rgb(bytes[at], None),
            "RGB3" => Rgb([bytes[3 * at], bytes[3 * at + 1], bytes[3 * at + 2]]),
            "BGR3" => Rgb([bytes[3 * at + 2], bytes[3 * at + 1], bytes[3 * at]]),
            _ => panic!("{format} is not decoded here"),
        }
    })
}

#[test]
fn colours_of_the_standard() {
    // Red of BT.601, studio and full range; white and black.
    let rgb = |encoding: Encoding, y, cb, cr| encoding.rgb(y, Some((cb, cr))).0;
    let near = |one: [u8; 3], other: [u8; 3]| one.iter().zip(other).all(|(a, b)| a.abs_diff(b) <= 2);
    assert!(near(rgb(Encoding::BT601, 81, 90, 240), [255, 0, 0]));
    assert!(near(rgb(Encoding { full_range: true, ..Encoding::BT601 }, 76, 85, 255), [254, 0, 0]));
    assert!(near(rgb(Encoding::BT709, 63, 102, 240), [255, 0, 0]));
    assert_eq!(rgb(Encoding::BT601, 235, 128, 128), [255; 3]);
    assert_eq!(rgb(Encoding::BT601, 16, 128, 128), [0; 3]);
}

#[test]
fn each_format_finds_its_bytes() {
    // Four by two: luma 100 but for the last pixel's 200; chroma of the left half 90/240, of the right 128/128.
    let luma = [100, 100, 100, 100, 100, 100, 100, 200];
    let (cb, cr) = ([90, 128], [240, 128]);
    let packed = |luma_first: bool| -> Vec<u8> {
        let pairs = luma.chunks(2).zip([0, 1, 0, 1]);
        let order =
            |y: &[u8], c: usize| if luma_first { [y[0], cb[c], y[1], cr[c]] } else { [cb[c], y[0], cr[c], y[1]] };
        pairs.flat_map(|(y, c)| order(y, c)).collect()
    };
    let planes = |chroma: [u8; 4]| [luma.as_slice(), &chroma].concat();
    let made = [
        ("YUYV", packed(true)),
        ("UYVY", packed(false)),
        ("NV12", planes([90, 240, 128, 128])),
        ("YU12", planes([90, 128, 240, 128])),
    ];
    let pictures: Vec<RgbImage> =
        made.iter().map(|(format, bytes)| decode(format, Encoding::BT601, bytes, 4, 2)).collect();
    assert!(pictures.iter().all(|picture| picture == &pictures[0]));
    assert!(pictures[0].get_pixel(1, 1)[0] > 200 && pictures[0].get_pixel(1, 1)[1] < 60);
    assert_eq!(pictures[0].get_pixel(3, 1).0, [214; 3]);
    assert_eq!(decode("BGR3", Encoding::BT601, &[1, 2, 3], 1, 1).get_pixel(0, 0).0, [3, 2, 1]);
}

#[test]
fn the_encoding_is_parsed_from_the_output_of_v4l2_ctl() {
    let text = "\tColorspace         : sRGB\n\tYCbCr/HSV Encoding : Default (maps to ITU-R 601)\n\
                \tQuantization       : Default (maps to Limited Range)\n";
    assert_eq!(Encoding::parse(text), Encoding::BT601);
    let other = text.replace("601", "709").replace("Limited", "Full");
    assert_eq!(Encoding::parse(&other), Encoding { full_range: true, ..Encoding::BT709 });
}
