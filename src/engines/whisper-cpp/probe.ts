// Whether whisper.cpp works on this machine: the build that the operator's choice demands is loaded, no model is.
import { toFailure } from '../../protocol/failure.ts';
import type { Probe } from '../engine.ts';
import { loadLibrary } from './library.ts';

export const probe: Probe = async ({ gpu, device }) => {
  try {
    const { variant, useGpu, passedOver } = loadLibrary(gpu, device);
    const backend = useGpu ? (variant === 'default' ? 'metal' : variant) : 'cpu';
    const more = passedOver.length > 0 ? `; not usable: ${passedOver.join('; ')}` : '';
    // Which device answers is only known once a model is loaded; the log then names it.
    const open = gpu === 'auto' && variant === 'vulkan' ? ' (on the CPU where no device answers)' : '';
    return { ready: true, detail: `whisper.cpp, ${variant} build${open}${more}`, backend };
  } catch (thrown) {
    const { message } = toFailure(thrown, 'ENGINE_UNAVAILABLE');
    const [detail = message, remedy] = message.split(/: (?=install |choose )/);
    return { ready: false, detail, ...(remedy && { remedy }) };
  }
};
