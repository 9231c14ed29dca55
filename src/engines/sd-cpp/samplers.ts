// The samplers that sd-cli and sd-server know. sd-cli refuses an unknown name with 24 kB of usage text, and sd-server
// ignores it without a word, so names are checked here.

const SAMPLERS: readonly string[] = [
  ...['euler', 'euler_a', 'heun', 'dpm2', 'dpm++2s_a', 'dpm++2m', 'dpm++2mv2', 'ipndm', 'ipndm_v', 'lcm'],
  ...['ddim_trailing', 'tcd', 'res_multistep', 'res_2s', 'er_sde', 'euler_cfg_pp', 'euler_a_cfg_pp', 'euler_ge'],
  ...['dpm++2m_sde', 'dpm++2m_sde_bt', 'lms'],
];

export function isSampler(name: string): boolean {
  return SAMPLERS.includes(name);
}

export function samplerNames(): string {
  return SAMPLERS.join(', ');
}
