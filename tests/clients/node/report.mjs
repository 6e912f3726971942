/**
 * What every script here has in common: settings from the environment, named steps, one JSON line of facts on
 * standard output when all of them held, the reason on standard error and exit code 1 when one did not.
 */
import assert from 'node:assert/strict';

/** A setting that must be there. */
export function required(name) {
  const value = process.env[name];
  assert.ok(value, `set ${name} in the environment`);
  return value;
}

/** A setting that may be left out or empty. */
export function optional(name, otherwise = undefined) {
  return process.env[name] || otherwise;
}

/** A setting in JSON; `undefined` when it is left out. */
export function json(name) {
  return process.env[name] ? JSON.parse(process.env[name]) : undefined;
}

/** Runs one step and says on standard error how it went, so that a failure names its place. */
export async function step(name, run) {
  try {
    const result = await run();
    console.error(`ok   ${name}`);
    return result;
  } catch (error) {
    console.error(`FAIL ${name}`);
    throw error;
  }
}

/** Runs the script to its exit code. */
export async function report(run) {
  try {
    process.stdout.write(`${JSON.stringify(await run())}\n`);
  } catch (error) {
    console.error(explained(error));
    process.exitCode = 1;
  }
}

function explained(error) {
  const lines = [error.stack ?? String(error)];
  for (let cause = error.cause; cause && lines.length < 5; cause = cause.cause) {
    const shown = cause instanceof URLSearchParams ? cause.toString() : cause instanceof Error ? cause.stack : JSON.stringify(cause);
    lines.push(`caused by: ${shown}`);
  }
  return lines.join('\n');
}
