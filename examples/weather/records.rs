//! The observations on record: `weather.csv.gz`, compiled in.

use crate::observation::Observation;
use dmxp::message::Timestamp;
use flate2::read::GzDecoder;
use std::io::{BufRead, BufReader};
use std::str::FromStr;

static COMPRESSED: &[u8] = include_bytes!("weather.csv.gz");

const HEADER: &str =
    "origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour";

/// All observations, in the order of the file.
///
/// # Errors
/// What is wrong, and in which line.
pub(crate) fn read() -> Result<Vec<Observation>, String> {
    let mut lines = BufReader::new(GzDecoder::new(COMPRESSED)).lines();
    let header = lines
        .next()
        .transpose()
        .map_err(|error| format!("weather.csv.gz: {error}"))?;
    if header.as_deref() != Some(HEADER) {
        return Err(format!("weather.csv.gz starts with {header:?} instead of {HEADER:?}"));
    }
    lines
        .zip(2..)
        .map(|(line, number)| {
            line.map_err(|error| error.to_string())
                .and_then(|line| observation(&line))
                .map_err(|error| format!("weather.csv.gz line {number}: {error}"))
        })
        .collect()
}

fn observation(line: &str) -> Result<Observation, String> {
    let columns: Vec<&str> = line.split(',').collect();
    let [
        station,
        _year,
        _month,
        _day,
        _hour,
        temperature,
        dew_point,
        humidity,
        wind_direction,
        wind_speed,
        wind_gust,
        precipitation,
        pressure,
        visibility,
        time,
    ] = columns[..]
    else {
        return Err(format!("{} columns instead of 15", columns.len()));
    };
    Ok(Observation {
        time: utc_hour(time).ok_or_else(|| format!("{time:?} is no time like 2013-01-01T06:00:00Z"))?,
        temperature: measured(temperature)?.into(),
        dew_point: measured(dew_point)?.into(),
        humidity: measured(humidity)?.into(),
        wind_speed: measured(wind_speed)?.into(),
        wind_gust: measured(wind_gust)?.into(),
        precipitation: measured(precipitation)?.into(),
        pressure: measured(pressure)?.into(),
        visibility: measured(visibility)?.into(),
        wind_direction: measured(wind_direction)?.into(),
        station: station
            .parse()
            .map_err(|error| format!("station {station:?}: {error}"))?,
    })
}

fn measured<T: FromStr>(text: &str) -> Result<Option<T>, String> {
    match text {
        "NA" => Ok(None),
        _ => text
            .parse()
            .map(Some)
            .map_err(|_| format!("{text:?} is neither a number nor NA")),
    }
}

/// The time `2013-01-01T06:00:00Z`; hours are all that the file has.
fn utc_hour(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let hour: i64 = time.strip_suffix(":00:00Z")?.parse().ok()?;
    Timestamp::from_seconds((days_from_civil(year, month, day) * 24 + hour) * 3600)
}

/// Days from 1970-01-01 to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years start in March, so that the leap day comes last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
