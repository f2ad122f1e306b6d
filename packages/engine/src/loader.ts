/** Variables that make the system's loader take other libraries than the ones that a program asks for. */
const LOADER_VARIABLES = ['LD_LIBRARY_PATH', 'LD_PRELOAD'];

/** What to do when a library cannot be loaded: such a variable is the first suspect, else `otherwise`. */
export function loaderWayOut(otherwise: string, env: NodeJS.ProcessEnv = process.env): string {
  const set = LOADER_VARIABLES.filter((name) => env[name]).map((name) => `${name} (${env[name]})`);
  return set.length > 0 ? `Unset ${set.join(' and ')}: it puts other libraries in place of the right ones.` : otherwise;
}
