//! Adjacency as two flat arrays (compressed sparse rows): where each node's row
//! begins, and all rows one after the other.

/// Rows of items by node number.
pub struct Rows<T> {
    /// One more than there are rows.
    begins: Box<[u32]>,
    items: Box<[T]>,
}

impl<T: Copy + Ord + Default> Rows<T> {
    /// Sorts entries (row, item) into rows, each row ascending. Entries are gone
    /// through twice. Of rows beyond `rows` nothing is kept.
    pub fn sorted(rows: u32, entries: impl Iterator<Item = (u32, T)> + Clone) -> Self {
        let mut begins = vec![0_u32; rows as usize + 1];
        for (row, _) in entries.clone().filter(|e| e.0 < rows) {
            if let Some(begin) = begins.get_mut(row as usize + 1) {
                *begin += 1;
            }
        }
        let mut sum = 0;
        for begin in &mut begins {
            sum += *begin;
            *begin = sum;
        }
        let mut items = vec![T::default(); sum as usize];
        let mut next = begins.clone();
        for (row, item) in entries.filter(|e| e.0 < rows) {
            let Some(place) = next.get_mut(row as usize) else { continue };
            if let Some(slot) = items.get_mut(*place as usize) {
                *slot = item;
            }
            *place += 1;
        }
        let mut made = Self { begins: begins.into(), items: items.into() };
        for row in 0..rows {
            if let Some(row) = made.range(row).and_then(|r| made.items.get_mut(r)) {
                row.sort_unstable();
            }
        }
        made
    }

    /// Equal items of a row once.
    pub fn distinct(self) -> Self {
        let mut begins = Vec::with_capacity(self.begins.len());
        let mut items: Vec<T> = Vec::with_capacity(self.items.len());
        for row in 0..u32::try_from(self.begins.len().saturating_sub(1)).unwrap_or(u32::MAX) {
            begins.push(u32::try_from(items.len()).unwrap_or(u32::MAX));
            let mut last = None;
            items.extend(self.row(row).iter().copied().filter(|item| last.replace(*item) != Some(*item)));
        }
        begins.push(u32::try_from(items.len()).unwrap_or(u32::MAX));
        Self { begins: begins.into(), items: items.into() }
    }
}

impl<T> Rows<T> {
    fn range(&self, row: u32) -> Option<std::ops::Range<usize>> {
        let row = row as usize;
        Some(*self.begins.get(row)? as usize..*self.begins.get(row + 1)? as usize)
    }

    /// A node's row; empty where there is none.
    #[inline]
    pub fn row(&self, row: u32) -> &[T] {
        self.range(row).and_then(|r| self.items.get(r)).unwrap_or(&[])
    }

    /// In memory, in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.begins) + size_of_val(&*self.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_may_be_made_distinct() {
        let entries = [(2, 7_u32), (0, 5), (2, 1), (2, 7), (9, 4), (0, 5)];
        let rows = Rows::sorted(4, entries.into_iter());
        assert_eq!((rows.row(0), rows.row(1), rows.row(2), rows.row(3)), (&[5, 5][..], &[][..], &[1, 7, 7][..], &[][..]));
        let rows = rows.distinct();
        assert_eq!((rows.row(0), rows.row(1), rows.row(2), rows.row(4)), (&[5][..], &[][..], &[1, 7][..], &[][..]));
        assert_eq!(rows.bytes(), 5 * 4 + 3 * 4);
    }
}
