// Whether speech synthesis works on this machine: the library loads.
import { sherpaProbe } from '../sherpa/library.ts';

export const probe = sherpaProbe('audio_tts');
