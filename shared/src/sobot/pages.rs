//! A list of Sobot's, page by page.

use serde::{Deserialize, Serialize};

use crate::sobot::{
    account::{AccountError, SobotAccount},
    mass_send::{ListQuery, PAGE_SIZE, SobotPage},
};

/// Asks for the next page when it is wanted. It ends where Sobot's `total_count` or `page_count` says so, at an empty
/// page, or - a server that never ends - after so many pages as the caller allows.
#[derive(Debug)]
pub struct Pages<'a, Q> {
    account: &'a SobotAccount,
    query: Q,
    max_pages: u32,
    progress: Progress,
}

/// How far a list is read: who goes on later keeps it as a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pages: u32,
    items: u64,
    #[serde(default)]
    left_out: u64,
    total: Option<u64>,
    ended: bool,
}

impl Progress {
    /// The number of the next page.
    pub fn next_page(&self) -> u32 {
        self.pages + 1
    }

    /// Whether nothing is left to be read.
    pub fn is_complete(&self) -> bool {
        self.ended
    }

    /// Counts a page that was read.
    pub fn count<T>(&mut self, page: &SobotPage<T>) {
        self.pages += 1;
        let items = (page.items.len() + page.left_out) as u64;
        self.items += items;
        self.left_out += page.left_out as u64;
        // The first page's: of a list that grows while it is read, the later pages would never end.
        self.total = self.total.or(page.total_count);
        let page_count = page.page_count.filter(|count| *count > 0);
        let last = match (self.total, page_count) {
            (None, None) => items < u64::from(PAGE_SIZE),
            (total, page_count) => {
                total.is_some_and(|total| self.items >= total)
                    || page_count.is_some_and(|count| u64::from(self.pages) >= count)
            }
        };
        self.ended = last || items == 0;
    }
}

impl<'a, Q: ListQuery> Pages<'a, Q> {
    /// A list, page by page; of an endless one no more than `max_pages`.
    pub fn of(account: &'a SobotAccount, query: Q, max_pages: u32) -> Self {
        Self { account, query, max_pages, progress: Progress::default() }
    }

    /// The items of the next page; `None` after the last. After an error the same page is asked for again.
    pub async fn next(&mut self) -> Result<Option<Vec<Q::Item>>, AccountError> {
        if self.progress.ended || self.progress.pages >= self.max_pages {
            return Ok(None);
        }
        let page = self.account.page(&self.query, self.progress.next_page()).await?;
        self.progress.count(&page);
        Ok(Some(page.items))
    }

    /// How many items there are, as far as Sobot says; known after the first page.
    pub fn total(&self) -> Option<u64> {
        self.progress.total
    }

    /// How many items were read, of those that could be.
    pub fn read(&self) -> u64 {
        self.progress.items - self.progress.left_out
    }

    /// Whether all of it was read: nothing is left, and nothing was left out.
    pub fn is_complete(&self) -> bool {
        self.progress.ended && self.progress.left_out == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pages of such sizes are read until the end.
    fn read_until_the_end(sizes: &[usize], page_count: Option<u64>, total_count: Option<u64>) -> u32 {
        let mut progress = Progress::default();
        for size in sizes {
            progress.count(&SobotPage { items: vec![(); *size], left_out: 0, page_count, total_count });
            if progress.ended {
                break;
            }
        }
        progress.pages
    }

    #[test]
    fn a_list_ends_where_anything_says_so() {
        for (sizes, page_count, total_count, expected) in [
            (&[100, 1, 0][..], Some(2), Some(101), 2),
            (&[100, 1, 0], None, Some(101), 2),
            (&[100, 1, 0], Some(2), None, 2),
            (&[100, 1, 0], None, None, 2),
            (&[100, 100, 0], None, None, 3),
            (&[0], Some(0), Some(0), 1),
            // A server with a page size of its own.
            (&[15, 15, 15], Some(3), Some(45), 3),
            (&[15, 15, 15], None, Some(45), 3),
            // A count of pages that cannot be.
            (&[100, 1, 0], Some(0), Some(101), 2),
            // Fewer than promised.
            (&[100, 1, 0], Some(9), Some(900), 3),
        ] {
            let pages = read_until_the_end(sizes, page_count, total_count);
            assert_eq!(pages, expected, "{sizes:?} {page_count:?} {total_count:?}");
        }
    }
}
