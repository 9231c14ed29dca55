// Which release of stable-diffusion.cpp belongs to this worker, and whether it may be installed. Pure. A program is only
// ever installed when its digest is known beforehand, for what is unpacked is run with the rights of this user.
import { Failure } from '../../protocol/failure.ts';

export type Release = { readonly url: string; readonly sha256: string };
export type Target = { readonly platform: NodeJS.Platform; readonly arch: string };

/** The pin of the contract, with `STUDIO_WORKER_SDCPP_RELEASE` to choose another. */
const TAG = 'master-920-2f88688';
const UPSTREAM = 'https://github.com/leejet/stable-diffusion.cpp/releases/download';
/** Upstream publishes no build for Linux on ARM. */
const OWN_PREBUILT = 'https://github.com/webbertakken/studio-worker/releases/download';

/** sha256 of assets, by address. Upstream publishes none, so one is added here by whoever has checked an asset. */
const KNOWN_DIGESTS: Readonly<Record<string, string>> = {};

const SUFFIXES: Readonly<Record<string, string>> = {
  'win32-x64': 'win-vulkan-x64',
  'linux-x64': 'Linux-Ubuntu-24.04-x86_64-vulkan',
  'linux-arm64': 'Linux-aarch64-vulkan',
  'darwin-x64': 'Darwin-macOS-26.6.2-arm64',
  'darwin-arm64': 'Darwin-macOS-26.6.2-arm64',
};

export function assetUrl(tag: string, { platform, arch }: Target): string | undefined {
  const suffix = SUFFIXES[`${platform}-${arch}`];
  const commit = /-([0-9a-f]{7,})$/.exec(tag)?.[1];
  if (!suffix || !commit) return undefined;
  const folder = suffix.startsWith('Linux-aarch64') ? `${OWN_PREBUILT}/sdcpp-prebuilt-${tag}` : `${UPSTREAM}/${tag}`;
  return `${folder}/sd-master-${commit.slice(0, 7)}-bin-${suffix}.zip`;
}

/** How the message begins when there is no binary; what follows says how to get one. */
export const NOT_INSTALLED = 'sd-cli and sd-server are not installed';

/** The release to install. Throws `ENGINE_UNAVAILABLE`, with what the operator can do, when there is none to be had. */
export function releaseFor(env: Readonly<Record<string, string | undefined>>, target: Target): Release {
  const named = (name: string) => env[name]?.trim() || undefined;
  const tag = named('STUDIO_WORKER_SDCPP_RELEASE') ?? TAG;
  const url = named('STUDIO_WORKER_SDCPP_URL') ?? assetUrl(tag, target);
  const sha256 = named('STUDIO_WORKER_SDCPP_SHA256') ?? (url === undefined ? undefined : KNOWN_DIGESTS[url]);
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new Failure('ENGINE_UNAVAILABLE', 'STUDIO_WORKER_SDCPP_SHA256 is not 64 hex digits');
  }
  if (url && sha256) return { url, sha256: sha256.toLowerCase() };
  throw new Failure('ENGINE_UNAVAILABLE', `${NOT_INSTALLED}. ${installAdvice(tag, url)}`);
}

/** Where a binary comes from, for the message of a failure and for the doctor. */
export function installAdvice(tag: string = TAG, url?: string): string {
  const release = url ?? `a build of ${tag} from ${UPSTREAM}/${tag}`;
  return (
    `Unpack ${release} into <models_root>/bin, or name sd-cli by STUDIO_WORKER_SD_CLI; or set ` +
    'STUDIO_WORKER_SDCPP_URL and STUDIO_WORKER_SDCPP_SHA256 and the worker installs that archive itself'
  );
}
