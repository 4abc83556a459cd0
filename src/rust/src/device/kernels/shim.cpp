// The kernels as a library of the CPU, in the precision TWILL_REAL. Compiled by tests.
#define TWILL_SHIM
#include "shim.h"

// Written by the test from `tuning.rs`.
#include <tuning.h>

#include "numbers.cuh"
#include "prior.cuh"
#include "noise.cuh"
#include "dense.cuh"
#include "frame.cuh"
#include "bend.cuh"
#include "centre.cuh"
#include "arrow.cuh"
#include "back.cuh"
#include "rows.cuh"
#include "target.cuh"
#include "guide.cuh"
#include "trail.cuh"
#include "views.cuh"
#include "genes.cu"
#include "start.cu"
#include "walks.cu"
#include "families.cuh"
#include "model.cu"
#include "speed.cu"

#include <string>
#include <utility>

// A kernel with its arguments behind pointers, as the driver of CUDA takes them.
template <auto kernel, typename... A, size_t... I>
void call(void (*)(A...), void** values, std::index_sequence<I...>) {
  kernel(*reinterpret_cast<A*>(values[I])...);
}
template <auto kernel, typename... A>
void call(void (*typed)(A...), void** values) {
  call<kernel>(typed, values, std::index_sequence_for<A...>{});
}
template <auto kernel>
void behind_pointers(void** values) {
  call<kernel>(kernel, values);
}

struct Named {
  const char* name;
  void (*run)(void**);
};
#define NAMED(kernel) {#kernel, behind_pointers<kernel>}
static const Named kernels[] = {NAMED(twill_sizes), NAMED(twill_target), NAMED(twill_svi), NAMED(twill_draws),
                                NAMED(twill_start), NAMED(twill_walks), NAMED(twill_copy), NAMED(twill_model_rows),
                                NAMED(twill_model_levels), NAMED(twill_model_sums)};

// Runs a kernel; shape: blocks in both directions, threads, bytes of shared memory, order of the
// threads. 0, or 1 if there is no such kernel.
extern "C" int twill_launch(const char* name, const unsigned* shape, void** values) {
  for (const Named& kernel : kernels)
    if (std::strcmp(kernel.name, name) == 0) {
      shim::run_grid(kernel.run, shape, values);
      return 0;
    }
  return 1;
}
