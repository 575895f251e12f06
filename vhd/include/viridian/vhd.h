// Virtual hard disks (VHD) for programs in C, or in any language that calls C: fixed, dynamic and
// differencing images with their parents, and raw files, over io_uring.
//
// Functions return 0 or a number that is not negative, or a negative errno; with `error` not NULL,
// a line for a person is written there. Nothing is thrown, printed or aborted, and no signal is
// used. Offsets and lengths are bytes and multiples of 512; memory may lie anywhere.
//
// Threads: handles of several disks share nothing, and there is no global state. One handle is used
// by one thread at a time, by any thread; a thread does not end while requests that it submitted
// are in progress. Between fork() and exec() a child uses no handle. Another thread uses the same
// disk by a handle of its own: viridian_vhd_open_queue().
//
// Structures with a struct_size grow at their end: set the whole structure to zero, then
// struct_size to its sizeof, then what matters. Zero is the default everywhere.
#pragma once

#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIRIDIAN_VHD_API __attribute__((visibility("default")))

typedef struct viridian_vhd viridian_vhd;  // an open disk

struct viridian_vhd_error {
  int code;           // a positive errno, or 0
  char message[508];  // one line that names the file, the field and the cure
};

// Kinds of image; VHD's own numbers for them.
enum {
  VIRIDIAN_VHD_RAW = 0,
  VIRIDIAN_VHD_FIXED = 2,
  VIRIDIAN_VHD_DYNAMIC = 3,
  VIRIDIAN_VHD_DIFFERENCING = 4,
};

// How an image is read. AUTO goes by its name (.vhd, .avhd, .vud), never by its bytes: a guest owns
// a raw disk's bytes and must not choose.
enum { VIRIDIAN_VHD_FORMAT_AUTO, VIRIDIAN_VHD_FORMAT_VHD, VIRIDIAN_VHD_FORMAT_RAW };

// The flags of open_options.
enum {
  VIRIDIAN_VHD_READ_ONLY = 1 << 0,
  VIRIDIAN_VHD_PAGE_CACHE = 1 << 1,            // through the host's page cache; else O_DIRECT
  VIRIDIAN_VHD_NO_LOCK = 1 << 2,               // the caller answers for nobody else writing
  VIRIDIAN_VHD_ALLOW_PARENT_OUTSIDE = 1 << 3,  // of its child's folder: for trusted images only
  VIRIDIAN_VHD_IGNORE_PARENT_ID = 1 << 4,      // the data may make no sense
  VIRIDIAN_VHD_ONE_THREAD = 1 << 5,    // the thread of the first I/O makes all calls: cheaper
  VIRIDIAN_VHD_WRITE_PARENT = 1 << 6,  // although a child in its folder would be damaged
  // and of create_options, with VIRIDIAN_VHD_ALLOW_PARENT_OUTSIDE
  VIRIDIAN_VHD_REPLACE = 1 << 16,      // an existing file; -EINVAL otherwise
  VIRIDIAN_VHD_PREALLOCATE = 1 << 17,  // reserve a fixed image's space now
};

struct viridian_vhd_open_options {
  uint32_t struct_size;
  uint32_t flags;
  uint32_t format;
  uint32_t queue_depth;  // submitted requests at a time, 1 to 4096; 0: 256
  const char* parent;    // the parent, instead of the one that the image names; or NULL
};

// `options` may be NULL. On success *disk is to be closed with viridian_vhd_close(). -EBUSY:
// another program uses the image. -EUCLEAN: the image is damaged. -ESTALE: its parent is another
// one.
VIRIDIAN_VHD_API int viridian_vhd_open(const char* path,
                                       const struct viridian_vhd_open_options* options,
                                       viridian_vhd** disk, struct viridian_vhd_error* error);

// Waits for all requests, calls their done(), makes everything durable and frees `disk`. An error
// tells that the last writes may be lost; the handle is gone all the same, but for -EBUSY (inside
// done()) and -EPERM (the wrong thread of a ONE_THREAD handle). NULL is allowed.
VIRIDIAN_VHD_API int viridian_vhd_close(viridian_vhd* disk, struct viridian_vhd_error* error);

struct viridian_vhd_queue_options {
  uint32_t struct_size;
  uint32_t flags;        // VIRIDIAN_VHD_ONE_THREAD, or 0
  uint32_t queue_depth;  // as of open_options
};

// A second queue of an open disk, for another thread: a handle for all but snapshots, to be closed
// before `disk`. Called by the thread that uses `disk`; `options` may be NULL. It reads and
// overwrites by itself; for all else (new blocks, flushes) it waits until a call on `disk` does it:
// that one's thread waits for viridian_vhd_fd() and calls viridian_vhd_poll().
VIRIDIAN_VHD_API int viridian_vhd_open_queue(viridian_vhd* disk,
                                             const struct viridian_vhd_queue_options* options,
                                             viridian_vhd** out, struct viridian_vhd_error* error);

struct viridian_vhd_info {
  uint32_t struct_size;
  uint32_t kind;  // VIRIDIAN_VHD_RAW ...
  uint64_t size_bytes;
  uint32_t block_size;            // bytes; 0 for raw and fixed images
  uint32_t layers;                // the image and its parents
  uint32_t physical_sector_size;  // bytes; requests aligned to it are the fastest
  uint32_t discard_granularity;   // bytes; 0: discard is not supported
  uint8_t unique_id[16];
  uint8_t read_only;
  uint8_t reserved[7];
};

VIRIDIAN_VHD_API int viridian_vhd_get_info(viridian_vhd* disk, struct viridian_vhd_info* info,
                                           struct viridian_vhd_error* error);

// Synchronous I/O: all of it is done when they return, or nothing of it is promised. -ERANGE:
// beyond the disk's end. A write is durable after the next flush, or with VIRIDIAN_VHD_FUA at once.
enum { VIRIDIAN_VHD_FUA = 1 << 0 };

VIRIDIAN_VHD_API int viridian_vhd_readv(viridian_vhd* disk, const struct iovec* iov, int iov_count,
                                        uint64_t offset, struct viridian_vhd_error* error);
VIRIDIAN_VHD_API int viridian_vhd_writev(viridian_vhd* disk, const struct iovec* iov, int iov_count,
                                         uint64_t offset, uint32_t flags,
                                         struct viridian_vhd_error* error);
VIRIDIAN_VHD_API int viridian_vhd_flush(viridian_vhd* disk, struct viridian_vhd_error* error);
// The bytes are not needed any more: they read as zeroes or as before.
VIRIDIAN_VHD_API int viridian_vhd_discard(viridian_vhd* disk, uint64_t offset, uint64_t length,
                                          struct viridian_vhd_error* error);
VIRIDIAN_VHD_API int viridian_vhd_write_zeroes(viridian_vhd* disk, uint64_t offset, uint64_t length,
                                               struct viridian_vhd_error* error);

// Asynchronous I/O in the caller's own loop: wait until viridian_vhd_fd() is readable, then call
// viridian_vhd_poll(). Requests may end in any order; one that must follow another is submitted
// from that one's done(). A flush covers the writes whose done() has run before it was submitted.
enum {
  VIRIDIAN_VHD_OP_READ,
  VIRIDIAN_VHD_OP_WRITE,
  VIRIDIAN_VHD_OP_FLUSH,
  VIRIDIAN_VHD_OP_DISCARD,
  VIRIDIAN_VHD_OP_WRITE_ZEROES,
};

// The caller's, with the memory that it points to, until done() is called; it may be submitted
// again, or freed, from there.
struct viridian_vhd_request {
  uint32_t op;
  uint32_t flags;  // VIRIDIAN_VHD_FUA with OP_WRITE
  uint64_t offset;
  uint64_t length;          // of OP_DISCARD and OP_WRITE_ZEROES; else iov says it
  const struct iovec* iov;  // of OP_READ and OP_WRITE
  int iov_count;            // up to 1024
  // Called once, inside viridian_vhd_poll() or viridian_vhd_close() and nowhere else: `result` is 0
  // or a negative errno. It may call everything but poll and close.
  void (*done)(struct viridian_vhd_request* request, int result);
  void* user;  // the caller's, not looked at
};

// Starts requests, in their order, with one call into the kernel. Returns how many were taken, from
// the first on: fewer than `count` if the queue is full or the next one is not valid, and a
// negative errno if it is the first (-EAGAIN: the queue is full; go on after a done()).
VIRIDIAN_VHD_API int viridian_vhd_submit(viridian_vhd* disk,
                                         struct viridian_vhd_request* const* requests, int count,
                                         struct viridian_vhd_error* error);

// A descriptor for poll(), epoll and the like: readable when viridian_vhd_poll() has something to
// do. The handle's own: neither read, written nor closed by the caller; the same until close.
VIRIDIAN_VHD_API int viridian_vhd_fd(viridian_vhd* disk, struct viridian_vhd_error* error);

// Does what can be done without waiting and calls done() of what has ended. Returns how many that
// were.
VIRIDIAN_VHD_API int viridian_vhd_poll(viridian_vhd* disk, struct viridian_vhd_error* error);

// Writes to `error` what a synchronous call would have written there for a request that ended with
// `result`, the number that done() was given; from done(), or later while the request is as it was
// submitted. Returns 0 then.
VIRIDIAN_VHD_API int viridian_vhd_explain(viridian_vhd* disk,
                                          const struct viridian_vhd_request* request, int result,
                                          struct viridian_vhd_error* error);

struct viridian_vhd_create_options {
  uint32_t struct_size;
  uint32_t flags;
  uint32_t kind;           // FIXED, DYNAMIC, or DIFFERENCING with a parent
  uint32_t block_size;     // a power of two; 0: 2 MiB, the only one that Windows takes
  uint64_t size_bytes;     // 0 for a child: its parent's size
  const char* parent;      // best in the child's folder
  uint32_t parent_format;  // VIRIDIAN_VHD_FORMAT_AUTO ...
  uint32_t reserved;
};

// A new image, whole and durable when it has its name. Its parent must not be written from then on.
VIRIDIAN_VHD_API int viridian_vhd_create(const char* path,
                                         const struct viridian_vhd_create_options* options,
                                         struct viridian_vhd_error* error);

// Keeps the image as it is now and goes on in a new child of it, `path`: waits for the requests in
// progress (their done() is called by the next poll), makes them durable, creates the child and
// directs the handle to it. Any other failure leaves the handle on the old image; after -ENOTCONN
// it can only be closed.
VIRIDIAN_VHD_API int viridian_vhd_snapshot(viridian_vhd* disk, const char* path,
                                           struct viridian_vhd_error* error);

VIRIDIAN_VHD_API const char* viridian_vhd_version(void);  // of the library: "0.1.0"

#ifdef __cplusplus
}
#endif
