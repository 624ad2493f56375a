import path from "node:path";

export const ROOT = path.dirname(import.meta.dirname);

/** Downloads and binaries; may be deleted at any time, and is made again. */
export const TOOLCHAIN = path.join(ROOT, ".toolchain");
export const BIN = path.join(TOOLCHAIN, "bin");
/** The replacements for Pulumi's plugins, before they are put into PULUMI_HOME. */
export const PLUGIN_BIN = path.join(TOOLCHAIN, "plugins");
export const PULUMI_HOME = path.join(TOOLCHAIN, "home");
export const LOGS = path.join(TOOLCHAIN, "logs");

/** What belongs to this machine's Fly and its stack: state, passphrase, token. */
export const LOCAL = path.join(ROOT, ".local");
export const LOCAL_FLY = path.join(LOCAL, "fly");
