//! Bars and ladders as SVG.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use rekindle_bench_protocol::Kind;

use crate::figures::{Climb, Comparison, Spread};
use crate::options::Allocator;
use crate::systems::OURS;

/// Outcome of drawing; the backend's errors are of many types.
type Drawn = Result<(), Box<dyn Error>>;

const FONT: &str = "sans-serif";
const OUR_BAR: RGBColor = RGBColor(200, 60, 40);
const THEIR_BAR: RGBColor = RGBColor(120, 140, 160);

/// One file per comparison with somebody, one per ladder.
pub(crate) fn all(folder: &Path, comparisons: &[Comparison], climbs: &[Climb]) -> Drawn {
    std::fs::create_dir_all(folder)?;
    for comparison in comparisons {
        let bars = bars_of(comparison);
        if bars.len() > 1 {
            let file = folder.join(format!("{}.svg", comparison.variant.name()));
            bars_plot(&file, &title(comparison), &bars)?;
        }
    }
    for climb in climbs.iter().filter(|climb| climb.rungs.len() > 1) {
        let file = folder.join(format!("ladder_{}.svg", climb.ladder.property));
        ladder_plot(&file, climb)?;
    }
    Ok(())
}

fn title(comparison: &Comparison) -> String {
    let variant = &comparison.variant;
    let unit = match variant.benchmark.kind {
        Kind::Throughput => "ns per operation",
        Kind::Bytes => "bytes per process",
        Kind::Latency => "p99.9 in ns",
        Kind::Idle => "ns of processor time",
    };
    let allocator = match variant.allocator {
        Allocator::System => "",
        Allocator::Mimalloc => ", mimalloc",
    };
    let workers = variant.workers;
    let plural = if workers == 1 { "" } else { "s" };
    format!(
        "{}: {unit}, {workers} worker{plural}{allocator}",
        variant.benchmark.name
    )
}

/// Who has a figure, the smallest first.
fn bars_of(comparison: &Comparison) -> Vec<(&'static str, Spread)> {
    let rows = comparison.rows.iter();
    let mut bars: Vec<_> = rows
        .filter_map(|row| Some((row.system, comparison.main(row)?)))
        .collect();
    bars.sort_by(|one, other| one.1.median.total_cmp(&other.1.median));
    bars
}

/// Bars from zero to the median, with a line from minimum to maximum.
fn bars_plot(file: &Path, title: &str, bars: &[(&'static str, Spread)]) -> Drawn {
    let height = 80 + 34 * bars.len() as u32;
    let area = SVGBackend::new(file, (760, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let top = bars
        .iter()
        .map(|(_, spread)| spread.max)
        .fold(1e-9, f64::max)
        * 1.15;
    let rows = bars.len() as f64;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT, 18))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(120)
        .build_cartesian_2d(0.0..top, 0.0..rows)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .max_light_lines(0)
        .y_labels(0)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .draw()?;
    for (index, (system, spread)) in bars.iter().enumerate() {
        // The first on top.
        let y = rows - 1.0 - index as f64;
        let colour = if *system == OURS { OUR_BAR } else { THEIR_BAR };
        let bar = Rectangle::new([(0.0, y + 0.2), (spread.median, y + 0.8)], colour.filled());
        let range = PathElement::new([(spread.min, y + 0.5), (spread.max, y + 0.5)], BLACK);
        chart.draw_series([bar])?;
        chart.draw_series([range])?;
        let label = format!("{:.1}", spread.median);
        let place = (spread.max + top * 0.01, y + 0.6);
        chart.draw_series([Text::new(label, place, (FONT, 13))])?;
        let (_, pixel) = chart.backend_coord(&(0.0, y + 0.6));
        area.draw(&Text::new(*system, (12, pixel), (FONT, 14)))?;
    }
    area.present()?;
    Ok(())
}

/// Cost against number, both on logarithmic scales; the bars are minimum and maximum.
fn ladder_plot(file: &Path, climb: &Climb) -> Drawn {
    let area = SVGBackend::new(file, (640, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    // A logarithmic scale has no 0: the empty rung is drawn at 1.
    let points: Vec<(f64, Spread)> = climb
        .rungs
        .iter()
        .map(|(n, cost)| ((*n).max(1) as f64, *cost))
        .collect();
    let right = points.iter().map(|(n, _)| *n).fold(2.0, f64::max);
    let left = points.iter().map(|(n, _)| *n).fold(right, f64::min);
    let high = points.iter().map(|(_, cost)| cost.max).fold(1.0, f64::max) * 3.0;
    let low = points
        .iter()
        .map(|(_, cost)| cost.min)
        .fold(high, f64::min)
        .max(0.1)
        / 3.0;
    let property = climb.ladder.property;
    let caption = format!("{property}: ns per operation ({})", climb.bound());
    let mut chart = ChartBuilder::on(&area)
        .caption(caption, (FONT, 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d((left..right * 1.5).log_scale(), (low..high).log_scale())?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_labels(5)
        .x_desc("n")
        .y_desc("ns")
        .draw()?;
    let medians = points.iter().map(|(n, cost)| (*n, cost.median));
    chart.draw_series(LineSeries::new(medians.clone(), OUR_BAR.stroke_width(2)))?;
    chart.draw_series(medians.map(|point| Circle::new(point, 4, OUR_BAR.filled())))?;
    chart.draw_series(
        points
            .iter()
            .map(|(n, cost)| PathElement::new([(*n, cost.min), (*n, cost.max)], BLACK)),
    )?;
    area.present()?;
    Ok(())
}
