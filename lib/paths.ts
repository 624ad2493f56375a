import path from "node:path";

export const ROOT = path.dirname(import.meta.dirname);

/** Downloads and binaries. May be deleted at any time: it is created again. */
export const TOOLCHAIN = path.join(ROOT, ".toolchain");
export const BIN = path.join(TOOLCHAIN, "bin");
/** The replacements for Pulumi's plugins, before they are copied into PULUMI_HOME. */
export const PLUGIN_BIN = path.join(TOOLCHAIN, "plugins");
export const PULUMI_HOME = path.join(TOOLCHAIN, "home");
export const LOGS = path.join(TOOLCHAIN, "logs");

/** State, passphrase and token of the local Fly and its stack. */
export const LOCAL = path.join(ROOT, ".local");
export const LOCAL_FLY = path.join(LOCAL, "fly");
