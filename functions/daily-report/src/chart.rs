//! The days as a small picture that every mail program shows: bars, and digits. Words stand in the mail around it, for
//! a font that has them weighs megabytes; the ten digits are drawn here.

/// Pixels, twice as many as it is shown with.
const WIDTH: usize = 1120;
const HEIGHT: usize = 250;
/// Where the bars stand; the days' numbers are below.
const GROUND: usize = 214;
/// Above the longest bar there is room for its figure.
const LONGEST: usize = GROUND - 34;

/// The picture's colours: nothing, so that it fits a light mail and a dark one; a bar; a digit, which both can be read
/// on. Red, green, blue, then how much of each is there.
const COLOURS: [u8; 9] = [0, 0, 0, 0x06, 0xa8, 0x48, 0x78, 0x78, 0x78];
const OPACITY: [u8; 3] = [0, 255, 255];
const BAR: u8 = 1;
const DIGIT: u8 = 2;

/// The digits, five pixels wide and seven high; a row's bits from the left.
const DIGITS: [[u8; 7]; 10] = [
    [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
    [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
    [0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111],
    [0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110],
    [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
    [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
    [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
    [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
    [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
    [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
];

/// A day's bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The day of the month.
    pub day: u8,
    /// How long it is; a day without a figure has none.
    pub figure: Option<u64>,
}

/// Draws the days from left to right, as PNG.
pub fn png(bars: &[Bar]) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let (width, height) = (u32::try_from(WIDTH).unwrap_or(0), u32::try_from(HEIGHT).unwrap_or(0));
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(COLOURS.as_slice());
    encoder.set_trns(OPACITY.as_slice());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&draw(bars))?;
    writer.finish()?;
    Ok(file)
}

fn draw(bars: &[Bar]) -> Vec<u8> {
    let mut pixels = vec![0; WIDTH * HEIGHT];
    let Some(room) = WIDTH.checked_div(bars.len()) else { return pixels };
    let room = room.min(160);
    let largest = bars.iter().filter_map(|bar| bar.figure).max().unwrap_or(0);
    for (left, bar) in (0..).step_by(room).zip(bars) {
        write(&mut pixels, left, room, GROUND + 12, u64::from(bar.day));
        let Some(figure) = bar.figure else { continue };
        let length = (u128::from(figure) * LONGEST as u128).checked_div(largest.into()).unwrap_or(0);
        // A day of few is not a day of none.
        let length = usize::try_from(length).unwrap_or(0).max(2);
        fill(&mut pixels, [left + room / 6, GROUND - length], [room - room / 3, length], BAR);
        write(&mut pixels, left, room, GROUND - length - 27, figure);
    }
    pixels
}

fn fill(pixels: &mut [u8], [left, top]: [usize; 2], [width, height]: [usize; 2], colour: u8) {
    for row in pixels.chunks_exact_mut(WIDTH).skip(top).take(height) {
        row.iter_mut().skip(left).take(width).for_each(|pixel| *pixel = colour);
    }
}

/// Writes a number in the middle of its room, as large as it fits; one that does not fit is left out.
fn write(pixels: &mut [u8], left: usize, room: usize, top: usize, number: u64) {
    let digits = number.to_string().into_bytes();
    let width = |scale: usize| (digits.len() * 6 - 1) * scale;
    let Some(scale) = [3, 2].into_iter().find(|scale| width(*scale) + 4 <= room) else { return };
    let left = left + (room - width(scale)) / 2;
    for (place, digit) in (0..).zip(&digits) {
        let Some(rows) = DIGITS.get(usize::from(digit - b'0')) else { continue };
        for (row, bits) in (0..).zip(rows) {
            for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
                fill(pixels, [left + (place * 6 + column) * scale, top + row * scale], [scale, scale], DIGIT);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(day: u8, figure: impl Into<Option<u64>>) -> Bar {
        Bar { day, figure: figure.into() }
    }

    /// How many pixels of a colour a column has.
    fn height(pixels: &[u8], column: usize, colour: u8) -> usize {
        pixels.chunks_exact(WIDTH).filter(|row| row[column] == colour).count()
    }

    #[test]
    fn a_bar_is_as_long_as_its_figure() {
        let pixels = draw(&[bar(1, 100), bar(2, 50), bar(3, 0), bar(4, None), bar(5, u64::MAX / 2)]);
        assert_eq!(pixels.len(), WIDTH * HEIGHT);
        let pixels = draw(&[bar(1, 100), bar(2, 50), bar(3, 0), bar(4, None)]);
        let heights = [80, 240, 400, 560].map(|middle| height(&pixels, middle, BAR));
        assert_eq!(heights, [LONGEST, LONGEST / 2, 2, 0]);
    }

    #[test]
    fn a_number_that_does_not_fit_is_left_out() {
        let digits = |figure: u64| draw(&[bar(1, figure)]).iter().filter(|pixel| **pixel == DIGIT).count();
        assert!(digits(1234) > digits(123) && digits(123) > 0);
        assert_eq!(digits(u64::MAX), digits(u64::MAX - 1), "of 20 digits only the day's number is left");
    }

    /// Its rows from above, each once however often it comes: runs of nothing (.), of a bar (#) and of a digit (o).
    fn in_words(pixels: &[u8]) -> String {
        let rows: Vec<_> = pixels.chunks_exact(WIDTH).collect();
        let alike = rows.chunk_by(|one, next| one == next);
        let told = alike.map(|rows| {
            let runs = rows[0].chunk_by(|one, next| one == next);
            let runs = runs.map(|run| format!("{}{}", run.len(), [".", "#", "o"][usize::from(run[0])]));
            format!("{} x {}\n", rows.len(), runs.collect::<Vec<_>>().join(" "))
        });
        told.collect()
    }

    #[test]
    fn the_picture_is_as_kept() {
        let bars: Vec<_> = (1..=14).map(|day| bar(day + 17, (day != 14).then(|| 1234 * u64::from(day)))).collect();
        let file = png(&bars).expect("a picture");
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut pixels).expect("its pixels");
        let path = format!("{}/expected/days.txt", env!("CARGO_MANIFEST_DIR"));
        // After a change that is meant: UPDATE_EXPECTED=1 cargo test -p daily-report, then look at the mail.
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, in_words(&pixels)).expect("written");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == in_words(&pixels), "{path} is another picture");
        assert!(file.len() < 10_000, "{} bytes", file.len());
        assert!(png(&[]).is_ok());
    }
}
