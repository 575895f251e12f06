// DPDK's libraries are not built with the sanitizer, which then sees what they call of the system
// (descriptors closed, memory of their own cleared) but not their own locks. What they call back is
// ours, and watched.
#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:librte_vhost.so\nrace_top:memset\n";
}
#endif
