/* CUDA, cuBLAS, cuDNN and the driver without a GPU: every call succeeds, memory is real, kernels do nothing.
 *
 * It is there for ONNX Runtime's CUDA provider to start, partition a graph with its own kernel registry, and go through
 * the motions of a run. What the provider needs beyond these functions is generated from its symbol table (__init__.py)
 * as functions that return 0, which means success in each of these libraries.
 *
 * Device memory cannot be touched from the host, as on a GPU: its addresses are mapped without access, and the same
 * pages are mapped a second time for the functions here. Reading a device pointer on the host is a segmentation fault.
 */

#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SUCCESS = 0, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, UNSUPPORTED_WHILE_CAPTURING = 900 };
enum { SHARED_MEMORY = 227 << 10, SHARED_MEMORY_DEFAULT = 48 << 10, PROCESSORS = 132 };

/* What was asked of the device; a test reads them through cuda_stub_counts. */
static uint64_t to_device, to_host, within, synchronizations, launches, allocations, captures, replays;

void cuda_stub_counts(uint64_t counts[8]) {
  const uint64_t now[8] = {to_device, to_host, within, synchronizations, launches, allocations, captures, replays};
  memcpy(counts, now, sizeof now);
}

/* Whether a stream is being captured as a graph; what would break a capture is then an error, as on a GPU. */
static int capturing;

/* ---- memory ---- */

static const size_t SIZE = (size_t)80 << 30;
static char *device_side, *host_side;
static size_t used;

static void map_memory(void) {
  int pages = memfd_create("cuda-stub", 0);
  if (pages < 0 || ftruncate(pages, SIZE)) abort();
  device_side = mmap(NULL, SIZE, PROT_NONE, MAP_SHARED | MAP_NORESERVE, pages, 0);
  host_side = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, pages, 0);
  if (device_side == MAP_FAILED || host_side == MAP_FAILED) abort();
  close(pages);
}

static int is_device(const void *p) {
  return device_side && (const char *)p >= device_side && (const char *)p < device_side + SIZE;
}

static void *reachable(const void *p) {
  return is_device(p) ? host_side + ((const char *)p - device_side) : (void *)p;
}

int cudaMalloc(void **p, size_t size) {
  if (capturing) return UNSUPPORTED_WHILE_CAPTURING;
  if (!device_side) map_memory();
  size = (size + 4095) & ~(size_t)4095;
  if (used + size > SIZE) return OUT_OF_MEMORY;
  *p = device_side + used;
  used += size; /* never handed out twice, so that a pointer kept too long is not to another's memory */
  allocations++;
  return SUCCESS;
}

int cudaMallocFromPoolAsync(void **p, size_t size, void *pool, void *stream) { return cudaMalloc(p, size); }
int cudaMallocHost(void **p, size_t size) {
  if (capturing) return UNSUPPORTED_WHILE_CAPTURING;
  return (*p = malloc(size)) || !size ? SUCCESS : OUT_OF_MEMORY;
}
int cudaHostAlloc(void **p, size_t size, unsigned flags) { return cudaMallocHost(p, size); }
int cudaFreeHost(void *p) { return free(p), SUCCESS; }

int cudaMemGetInfo(size_t *available, size_t *total) {
  *available = SIZE - used;
  *total = SIZE;
  return SUCCESS;
}

static int copy(void *to, const void *from, size_t size) {
  if (is_device(to) && is_device(from)) within++;
  else if (is_device(to)) to_device++;
  else if (is_device(from)) to_host++;
  memmove(reachable(to), reachable(from), size);
  return SUCCESS;
}

int cudaMemcpy(void *to, const void *from, size_t size, int kind) {
  return capturing ? UNSUPPORTED_WHILE_CAPTURING : copy(to, from, size);
}

int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) { return copy(to, from, size); }

int cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
                      int kind, void *stream) {
  for (size_t row = 0; row < height; row++)
    copy((char *)to + row * to_pitch, (const char *)from + row * from_pitch, width);
  return SUCCESS;
}

int cudaMemset(void *p, int value, size_t size) { return memset(reachable(p), value, size), SUCCESS; }
int cudaMemsetAsync(void *p, int value, size_t size, void *stream) { return cudaMemset(p, value, size); }

int cudaMemcpyFromSymbol(void *to, const void *symbol, size_t size, size_t offset, int kind) {
  return memset(to, 0, size), SUCCESS;
}

struct pointer_attributes { int type, device; void *device_pointer, *host_pointer; long reserved[8]; };

int cudaPointerGetAttributes(struct pointer_attributes *found, const void *p) {
  memset(found, 0, sizeof *found);
  found->type = is_device(p) ? 2 : 0; /* cudaMemoryTypeDevice, cudaMemoryTypeUnregistered */
  found->device_pointer = is_device(p) ? (void *)p : NULL;
  return SUCCESS;
}

/* ---- one device, an H100 ---- */

int cudaGetDeviceCount(int *count) { return *count = 1, SUCCESS; }
int cudaGetDevice(int *device) { return *device = 0, SUCCESS; }
int cudaSetDevice(int device) { return device ? INVALID_DEVICE : SUCCESS; }
int cudaDriverGetVersion(int *version) { return *version = 13000, SUCCESS; }
int cudaRuntimeGetVersion(int *version) { return *version = 13000, SUCCESS; }

/* Byte offsets of fields of CUDA 13's cudaDeviceProp, 1008 bytes. */
enum {
  NAME = 0, GLOBAL = 288, SHARED = 296, REGISTERS = 304, WARP = 308, THREADS = 320, BLOCK = 324, GRID = 336,
  CONSTANTS = 352, MAJOR = 360, MINOR = 364, COUNT = 384, UNIFIED = 588, CACHE = 596, RESIDENT = 604, SHARED_ALL = 624,
  REGISTERS_ALL = 632, SHARED_MOST = 672, PROPERTIES = 1008
};

#define PUT(offset, type, ...) \
  memcpy((char *)found + offset, (type[]){__VA_ARGS__}, sizeof((type[]){__VA_ARGS__}))

int cudaGetDeviceProperties(void *found, int device) {
  memset(found, 0, PROPERTIES);
  strcpy((char *)found + NAME, "stub of an H100");
  PUT(GLOBAL, size_t, SIZE);
  PUT(SHARED, size_t, SHARED_MEMORY_DEFAULT);
  PUT(REGISTERS, int, 65536);
  PUT(WARP, int, 32);
  PUT(THREADS, int, 1024);
  PUT(BLOCK, int, 1024, 1024, 64);
  PUT(GRID, int, 2147483647, 65535, 65535);
  PUT(CONSTANTS, size_t, 65536);
  PUT(MAJOR, int, 9);
  PUT(MINOR, int, 0);
  PUT(COUNT, int, PROCESSORS);
  PUT(UNIFIED, int, 1);
  PUT(CACHE, int, 50 << 20);
  PUT(RESIDENT, int, 2048);
  PUT(SHARED_ALL, size_t, 228 << 10);
  PUT(REGISTERS_ALL, int, 65536);
  PUT(SHARED_MOST, size_t, SHARED_MEMORY);
  return SUCCESS;
}

int cudaDeviceGetAttribute(int *value, int attribute, int device) {
  switch (attribute) { /* of cudaDeviceAttr */
    case 1: *value = 1024; break;                  /* threads of a block */
    case 8: *value = SHARED_MEMORY_DEFAULT; break; /* shared memory of a block */
    case 10: *value = 32; break;                   /* threads of a warp */
    case 16: *value = PROCESSORS; break;
    case 39: *value = 2048; break;                 /* threads of a multiprocessor */
    case 75: *value = 9; break;                    /* compute capability */
    case 76: *value = 0; break;
    case 81: *value = 228 << 10; break;            /* shared memory of a multiprocessor */
    case 97: *value = SHARED_MEMORY; break;        /* shared memory that a block can ask for */
    default: *value = 0;
  }
  return SUCCESS;
}

const char *cudaGetErrorName(int error) { return "cudaErrorOfTheStub"; }
const char *cudaGetErrorString(int error) { return "an error of the stub"; }

/* ---- streams, events, graphs: one kind of handle ---- */

static int make(void **handle) { return (*handle = calloc(1, 64)) ? SUCCESS : OUT_OF_MEMORY; }

int cudaStreamCreate(void **stream) { return make(stream); }
int cudaStreamCreateWithFlags(void **stream, unsigned flags) { return make(stream); }
int cudaStreamDestroy(void *stream) { return free(stream), SUCCESS; }
static int synchronize(void) { return synchronizations++, capturing ? UNSUPPORTED_WHILE_CAPTURING : SUCCESS; }
int cudaStreamSynchronize(void *stream) { return synchronize(); }
int cudaDeviceSynchronize(void) { return synchronize(); }
int cudaEventCreate(void **event) { return make(event); }
int cudaEventCreateWithFlags(void **event, unsigned flags) { return make(event); }
int cudaEventDestroy(void *event) { return free(event), SUCCESS; }
int cudaEventSynchronize(void *event) { return synchronize(); }
int cudaEventElapsedTime(float *milliseconds, void *start, void *end) { return *milliseconds = 1, SUCCESS; }

int cudaStreamBeginCapture(void *stream, int mode) { return capturing = 1, captures++, SUCCESS; }
int cudaStreamEndCapture(void *stream, void **graph) { return capturing = 0, make(graph); }
int cudaStreamIsCapturing(void *stream, int *status) { return *status = capturing, SUCCESS; }
int cudaGraphInstantiate(void **executable, void *graph, unsigned long long flags) { return make(executable); }
int cudaGraphDestroy(void *graph) { return free(graph), SUCCESS; }
int cudaGraphExecDestroy(void *executable) { return free(executable), SUCCESS; }
int cudaGraphLaunch(void *executable, void *stream) { return replays++, SUCCESS; }
int cudaMemPoolCreate(void **pool, const void *properties) { return make(pool); }
int cudaMemPoolDestroy(void *pool) { return free(pool), SUCCESS; }
int cudaMemPoolGetAttribute(void *pool, int attribute, void *value) { return *(uint64_t *)value = 0, SUCCESS; }

int cudaLaunchHostFunc(void *stream, void (*function)(void *), void *argument) { return function(argument), SUCCESS; }

/* ---- kernels ---- */

struct dim3 { unsigned x, y, z; };
static _Thread_local struct { struct dim3 grid, block; size_t shared; void *stream; } pushed;

void **__cudaRegisterFatBinary(void *binary) {
  static void *handle;
  return &handle;
}

unsigned __cudaPushCallConfiguration(struct dim3 grid, struct dim3 block, size_t shared, void *stream) {
  pushed.grid = grid, pushed.block = block, pushed.shared = shared, pushed.stream = stream;
  return SUCCESS;
}

int __cudaPopCallConfiguration(struct dim3 *grid, struct dim3 *block, size_t *shared, void **stream) {
  *grid = pushed.grid, *block = pushed.block, *shared = pushed.shared, *stream = pushed.stream;
  return SUCCESS;
}

int __cudaGetKernel(const void **kernel, const void *function) { return *kernel = function, SUCCESS; }
int __cudaLaunchKernel(void) { return launches++, SUCCESS; }
int cudaLaunchKernel(void) { return launches++, SUCCESS; }
int cudaLaunchKernelExC(void) { return launches++, SUCCESS; }
int cudaLaunchCooperativeKernel(void) { return launches++, SUCCESS; }

int cudaFuncGetAttributes(void *attributes, const void *function) {
  memset(attributes, 0, 144);
  ((int *)((size_t *)attributes + 3))[0] = 1024; /* maxThreadsPerBlock */
  ((int *)((size_t *)attributes + 3))[1] = 32;   /* numRegs */
  return SUCCESS;
}

int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, const void *function, int threads,
                                                           size_t shared, unsigned flags) {
  return *blocks = 1, SUCCESS;
}

/* ---- cuBLAS and cuDNN ---- */

int cublasCreate_v2(void **handle) { return make(handle); }
int cublasDestroy_v2(void *handle) { return free(handle), SUCCESS; }
int cublasLtCreate(void **handle) { return make(handle); }
int cublasLtDestroy(void *handle) { return free(handle), SUCCESS; }
int cublasGetMathMode(void *handle, int *mode) { return *mode = 0, SUCCESS; }
const char *cublasGetStatusName(int status) { return "CUBLAS_STATUS_OF_THE_STUB"; }
const char *cublasGetStatusString(int status) { return "a status of the stub"; }

size_t cudnnGetVersion(void) { return 91900; }
const char *cudnnGetErrorString(int status) { return "a status of the stub"; }
void cudnnGetLastErrorString(char *message, size_t size) { if (size) *message = 0; }
int cudnnCreate(void **handle) { return make(handle); }
int cudnnDestroy(void *handle) { return free(handle), SUCCESS; }
int cudnnGetStream(void *handle, void **stream) { return *stream = NULL, SUCCESS; }

/* The graphs of cuDNN 9: one engine for everything, which needs no memory of its own. */

enum { HEURISTIC_RESULTS = 202, TYPE_INT64 = 3, TYPE_INT32 = 23 };

int cudnnBackendCreateDescriptor(int type, void **descriptor) { return make(descriptor); }
int cudnnBackendDestroyDescriptor(void *descriptor) { return free(descriptor), SUCCESS; }
int cudnnBackendExecute(void) { return launches++, SUCCESS; }

int cudnnBackendGetAttribute(void *descriptor, int name, int type, int64_t wanted, int64_t *count, void *values) {
  int64_t there = name == HEURISTIC_RESULTS || type == TYPE_INT64 || type == TYPE_INT32;
  if (count) *count = there;
  if (values && wanted > 0 && type == TYPE_INT64) *(int64_t *)values = 0;
  if (values && wanted > 0 && type == TYPE_INT32) *(int32_t *)values = 0;
  return SUCCESS;
}
