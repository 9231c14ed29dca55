// Makes one GPU the only one that a program sees. Read by its libraries before any code runs, so it must stand in the
// environment with which the program starts. Pure.

/** `device`: the index of the GPU as `nvidia-smi` or amdgpu counts; undefined: whatever the program sees already. */
export function deviceEnv(device: number | undefined): Record<string, string> {
  if (device === undefined) return {};
  const index = String(device);
  return {
    // CUDA's own order is "fastest first", and nvidia-smi's, which operators read, that of the bus.
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    CUDA_VISIBLE_DEVICES: index,
    // Not ROCR_VISIBLE_DEVICES too: HIP would count within what that leaves over, where this index does not exist.
    HIP_VISIBLE_DEVICES: index,
    GGML_VK_VISIBLE_DEVICES: index,
  };
}
