/** LMDB takes keys of 1,978 bytes at its page size of 4 KiB; a round number below leaves room for the name space. */
export const maxKeyBytes = 1024

/** What one branch may write: it is written twice, in one batch each, for which all others wait. */
export const maxBranchBytes: number = 8 * 1024 * 1024

/** Entries that one `list` gives: each takes a lock that is kept, and is written down with the prepared branch. */
export const maxListed = 1000

/** Branches that may be open or prepared at a time: all their write sets lie in memory. */
export const defaultCapacity = 1024

/** Address space for the file. It grows by itself beyond that; to begin with it saves the first remappings. */
export const mapBytes: number = 16 * 1024 * 1024 * 1024
