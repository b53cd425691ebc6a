// A torch device whose memory is the CPU's: what is not defined here goes through the boxed fallback to the CPU.
#include <cstdlib>
#include <cstring>

#include <ATen/ATen.h>
#include <torch/library.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/EmptyTensor.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/Allocator.h>
#include <ATen/ops/view_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/from_blob.h>
using namespace at;
namespace {
constexpr c10::DeviceType DT = c10::DeviceType::PrivateUse1;
struct Alloc final : c10::Allocator {
  c10::DataPtr allocate(size_t n) override {
    void* p = n ? aligned_alloc(64, (n+63)/64*64) : nullptr;
    return {p, p, [](void* q){ if(q) std::free(q); }, c10::Device(DT, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return [](void* q){ if(q) std::free(q); }; }
  void copy_data(void* d, const void* s, size_t n) const override { std::memcpy(d, s, n); }
};
Alloc alloc;
struct Guard final : c10::impl::DeviceGuardImplInterface {
  Guard() {}
  c10::DeviceType type() const override { return DT; }
  c10::Device exchangeDevice(c10::Device d) const override { return c10::Device(DT,0); }
  c10::Device getDevice() const override { return c10::Device(DT,0); }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, c10::Device(DT,0)); }
  c10::Stream exchangeStream(c10::Stream) const override { return c10::Stream(c10::Stream::DEFAULT, c10::Device(DT,0)); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);
struct Gen final : CPUGeneratorImpl {
  Gen(c10::DeviceIndex) { device_ = c10::Device(DT, 0); key_set_ = c10::DispatchKeySet(c10::DispatchKey::PrivateUse1); }
};
struct Hooks final : PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  const Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    static Generator g = make_generator<Gen>(0); return g; }
  Generator getNewGenerator(c10::DeviceIndex) const override { return make_generator<Gen>(0); }
  void resizePrivateUse1Bytes(const c10::Storage& s, size_t n) const override {
    auto* impl = s.unsafeGetStorageImpl(); auto old = impl->nbytes(); auto p = alloc.allocate(n);
    if (old && n) std::memcpy(p.get(), impl->data(), std::min(old, n));
    impl->set_data_ptr_noswap(std::move(p)); impl->set_nbytes(n); }
};
Tensor empty_mf(IntArrayRef size, std::optional<ScalarType> dt, std::optional<Layout>, std::optional<Device>,
                std::optional<bool>, std::optional<MemoryFormat> mf) {
  return at::detail::empty_generic(size, &alloc, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
      dt.value_or(c10::get_default_dtype_as_scalartype()), mf);
}
Tensor empty_st(IntArrayRef size, IntArrayRef stride, std::optional<ScalarType> dt, std::optional<Layout>,
                std::optional<Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &alloc, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
      dt.value_or(c10::get_default_dtype_as_scalartype()));
}
Tensor host(const Tensor& t) {
  if (t.is_cpu()) return t;
  return at::from_blob(t.data_ptr(), t.sizes(), t.strides(), TensorOptions().dtype(t.dtype()).device(kCPU));
}
Tensor copy_from(const Tensor& self, const Tensor& dst, bool) {
  if (dst.numel() == 0) return dst;
  auto d = host(dst); d.copy_(host(self)); return dst;
}
Tensor copy_from_resize(const Tensor& self, const Tensor& dst) {
  if (self.sizes() != dst.sizes()) dst.resize_(self.sizes());
  return copy_from(self, dst, false);
}
Scalar item(const Tensor& t) { return host(t).item(); }
const Tensor& resize_(const Tensor& self, SymIntArrayRef size, std::optional<MemoryFormat> mf) {
  return at::native::resize_(self, C10_AS_INTARRAYREF_SLOW(size), mf);
}
Tensor& set_st(Tensor& self, Storage s, SymInt off, SymIntArrayRef size, SymIntArrayRef stride) {
  auto* impl = self.unsafeGetTensorImpl(); impl->set_storage_keep_dtype(s);
  impl->set_sizes_and_strides(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), off.expect_int());
  return self;
}
Tensor view(const Tensor& self, SymIntArrayRef size) { return at::native::view(self, C10_AS_INTARRAYREF_SLOW(size)); }
Tensor as_st(const Tensor& self, SymIntArrayRef size, SymIntArrayRef stride, std::optional<SymInt> off) {
  return at::native::as_strided_tensorimpl(self, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride),
     off ? std::optional<int64_t>(off->expect_int()) : std::nullopt);
}
Tensor reshape_alias(const Tensor& self, SymIntArrayRef size, SymIntArrayRef stride) {
  return at::native::_reshape_alias(self, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
}
void fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  at::native::cpu_fallback(op, stack);
}
Tensor& normal_(Tensor& self, double m, double s, std::optional<Generator> g) {
  auto h = host(self); auto use = g && g->defined() ? *g : globalContext().defaultGenerator(c10::Device(DT,0));
  auto c = at::detail::createCPUGenerator(); c.set_state(use.get_state()); h.normal_(m, s, c); use.set_state(c.get_state());
  return self;
}
}
TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", empty_mf); m.impl("empty_strided", empty_st);
  m.impl("_copy_from", copy_from); m.impl("_copy_from_and_resize", copy_from_resize);
  m.impl("_local_scalar_dense", item); m.impl("resize_", resize_);
  m.impl("set_.source_Storage_storage_offset", set_st); m.impl("view", view);
  m.impl("as_strided", as_st); m.impl("_reshape_alias", reshape_alias); m.impl("normal_", normal_);
}
TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>()); }
namespace {
// The library registers itself when it is loaded.
const bool registered = [] {
  c10::SetAllocator(DT, &alloc);
  static Hooks hooks;
  at::RegisterPrivateUse1HooksInterface(&hooks);
  return true;
}();
}
