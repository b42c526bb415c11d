//! A month of FOCUS charges as one CSV file.

use std::path::{Path, PathBuf};

use super::Page;
use super::data_export::DataExport;
use super::sink::{Cells, Sink};
use crate::DemoError;
use crate::row::{Charge, Column, Letterhead, Period};

/// See the module.
pub(crate) struct Table<'a> {
    head: &'a Letterhead,
    period: &'a Period,
    columns: &'static [Column],
    file: Cells,
    /// The Data Export that the file is of, and its folder: a manifest follows.
    export: Option<(&'static DataExport, PathBuf)>,
}

impl<'a> Table<'a> {
    /// A file of its own.
    pub(crate) fn open(
        head: &'a Letterhead,
        period: &'a Period,
        columns: &'static [Column],
        path: PathBuf,
    ) -> Result<Table<'a>, DemoError> {
        let mut file = Cells::new(Sink::create(path)?);
        file.line(|file| file.write_record(columns.iter().map(|column| column.name())))?;
        Ok(Table { head, period, columns, file, export: None })
    }

    /// The file of a Data Export below its source's folder.
    pub(crate) fn exported(
        head: &'a Letterhead,
        period: &'a Period,
        export: &'static DataExport,
        folder: &Path,
    ) -> Result<Table<'a>, DemoError> {
        let folder = export.folder(folder);
        let table = Table::open(head, period, export.columns, folder.join(export.file(&period.label())))?;
        Ok(Table { export: Some((export, folder)), ..table })
    }
}

impl Page for Table<'_> {
    fn write(&mut self, charge: &Charge<'_>) -> Result<(), DemoError> {
        self.file.line(|file| charge.write(self.columns, self.head, self.period, file))
    }

    fn finish(self: Box<Self>) -> Result<Vec<PathBuf>, DemoError> {
        let (path, _) = self.file.finish()?;
        if let Some((export, folder)) = self.export {
            // A manifest comes after the files it lists.
            export.write_manifest(&folder, &self.period.label())?;
        }
        Ok(vec![path])
    }
}
