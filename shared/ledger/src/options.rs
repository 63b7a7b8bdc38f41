//! What an operator may set of the ledger, and how RocksDB is tuned for it.
//!
//! The aims, in this order: nothing that was told is lost, memory stays bounded and small, a page is
//! one scan, an id that is not there costs no IO.

use crate::{Observe, key::Family, key::ID_LEN};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType,
    DBRecoveryMode, Options, SliceTransform,
};

/// Blocks, indexes and filters that are kept in memory, in bytes.
pub const BLOCK_CACHE_BYTES: usize = 32 << 20;
/// Appends that wait for the committer before those who bring more have to wait.
pub const COMMIT_QUEUE_MAX: usize = 1024;

/// All memtables together, in bytes: above it the largest is written out.
const MEMTABLES_BYTES: usize = 48 << 20;
/// The memtable of `entries`, in bytes.
const ENTRIES_MEMTABLE_BYTES: usize = 24 << 20;
/// The memtable of every other family, in bytes.
const INDEX_MEMTABLE_BYTES: usize = 4 << 20;
/// Logs that are not yet in tables, in bytes: bounds how long opening after a crash takes.
const WAL_BYTES_MAX: u64 = 64 << 20;
/// Bodies from this size on lie in files of their own that compaction does not rewrite, in bytes. Reading
/// one from there costs 15 µs at 7 KB and 75 µs at 60 KB, from a table 3 µs and 20 µs (measured), so
/// only what is dear to rewrite goes there.
const BLOB_BYTES_MIN: u64 = 64 << 10;
/// A file of bodies, in bytes.
const BLOB_FILE_BYTES: u64 = 256 << 20;
/// Uncompressed size of a block of `entries`, in bytes: half a dozen entries a read.
const ENTRIES_BLOCK_BYTES: usize = 16 << 10;
/// Uncompressed size of a block of every other family, in bytes.
const INDEX_BLOCK_BYTES: usize = 4 << 10;
/// Bits of a bloom filter a key: one lookup in a hundred of what is not there reads a block.
const BLOOM_BITS: f64 = 10.0;
/// Tables and files of bodies that are held open, unless there is less room for open files.
pub const OPEN_TABLES_MAX: u32 = 512;
/// Threads that flush and compact.
const BACKGROUND_JOBS: i32 = 2;
/// RocksDB's own notes (`LOG*`): how many files are kept.
const NOTES_FILES_MAX: usize = 4;
/// RocksDB's own notes (`LOG*`): size of a file in bytes.
const NOTES_FILE_BYTES: usize = 1 << 20;
/// RocksDB's record of its files, in bytes, before it starts a new one.
const MANIFEST_BYTES_MAX: usize = 4 << 20;

/// What an operator may set.
#[derive(Clone)]
pub struct LedgerOptions {
    /// Blocks, indexes and filters that are kept in memory, in bytes.
    pub block_cache_bytes: usize,
    /// Appends that wait for the committer before those who bring more have to wait.
    pub commit_queue: usize,
    /// Tables and files of bodies that are held open. RocksDB opens some files besides: logs, and what
    /// a compaction reads and writes.
    pub open_tables: u32,
    /// Told of every commit, on the committer's thread; must be quick.
    pub observe: Option<Observe>,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self {
            block_cache_bytes: BLOCK_CACHE_BYTES,
            commit_queue: COMMIT_QUEUE_MAX,
            open_tables: OPEN_TABLES_MAX,
            observe: None,
        }
    }
}

/// How the whole store is opened.
pub(crate) fn store(limits: &LedgerOptions) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // A log that ends in half a record is what a crash leaves behind, and nobody was told of that half.
    // Damage anywhere else must not pass for it: RocksDB's default would stop there and carry on.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // Closed logs are checked for their length, too.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_db_write_buffer_size(MEMTABLES_BYTES);
    options.set_max_open_files(i32::try_from(limits.open_tables).unwrap_or(i32::MAX));
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_skip_stats_update_on_db_open(true);
    options.set_keep_log_file_num(NOTES_FILES_MAX);
    options.set_max_log_file_size(NOTES_FILE_BYTES);
    options.set_max_manifest_file_size(MANIFEST_BYTES_MAX);
    options
}

/// Every column family with its options. They share one cache.
pub(crate) fn families(cache: &Cache) -> Vec<ColumnFamilyDescriptor> {
    let default =
        ColumnFamilyDescriptor::new(rocksdb::DEFAULT_COLUMN_FAMILY_NAME, family(None, cache));
    let ours = Family::ALL
        .into_iter()
        .map(|name| ColumnFamilyDescriptor::new(name.name(), family(Some(name), cache)));
    std::iter::once(default).chain(ours).collect()
}

fn family(name: Option<Family>, cache: &Cache) -> Options {
    let mut options = Options::default();
    let entries = name == Some(Family::Entries);
    options.set_write_buffer_size(if entries {
        ENTRIES_MEMTABLE_BYTES
    } else {
        INDEX_MEMTABLE_BYTES
    });
    options.set_block_based_table_factory(&table(cache, entries));
    options.set_compression_type(DBCompressionType::Lz4);
    if matches!(name, Some(Family::Entries | Family::Ids | Family::Times)) {
        options.set_prefix_extractor(SliceTransform::create_fixed_prefix(ID_LEN));
    }
    if entries {
        options.set_enable_blob_files(true);
        options.set_min_blob_size(BLOB_BYTES_MIN);
        options.set_blob_file_size(BLOB_FILE_BYTES);
        options.set_blob_compression_type(DBCompressionType::Lz4);
    }
    options
}

fn table(cache: &Cache, entries: bool) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(if entries { ENTRIES_BLOCK_BYTES } else { INDEX_BLOCK_BYTES });
    table.set_bloom_filter(BLOOM_BITS, false);
    table.set_whole_key_filtering(true);
    // Indexes and filters live in the cache, in parts: whole ones would outgrow it with the ledger.
    table.set_cache_index_and_filter_blocks(true);
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_pin_top_level_index_and_filter(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_optimize_filters_for_memory(true);
    table
}
