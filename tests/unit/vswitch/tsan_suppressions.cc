// DPDK's libraries are not built with the sanitizer, which then sees what they call of the system
// (descriptors closed, memory of their own cleared) but not their own locks. What they call back is
// ours, and watched; but a descriptor that memory_can_be_mapped() looks at is rte_vhost's, which
// closes it unseen, and its number is somebody else's the next time.
#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:librte_vhost.so\nrace_top:memset\nrace:memory_can_be_mapped\n";
}
#endif
