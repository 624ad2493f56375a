/**
 * Exports the providers for one run of the engine's plugin; the delegates import them by the package's own
 * name. Their errors have no stack trace, and none deletes an object that the stack still uses.
 */
import * as all from "./entry.ts";
import { packing } from "./packed.ts";
import { succeeding } from "./succession.ts";

const run = { declaring: false };

export const App = succeeding("app", all.App, run);
export const Certificate = succeeding("certificate", all.Certificate, run);
export const IpAddress = succeeding("address", all.IpAddress, run);
export const Machine = succeeding("machine", all.Machine, run);
export const Secrets = succeeding("secrets", packing(all.Secrets, ["files"]), run);
export const Volume = succeeding("volume", all.Volume, run);
export const Passwords = packing(all.Passwords, ["users", "earlier", "kept"]);
export const RevocationList = packing(all.RevocationList, ["before", "issued", "revoked"]);
export { FormerDevices, Name, Password } from "./entry.ts";
