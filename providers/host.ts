/**
 * Providers as the engine's plugin has them, for one run: the delegates reach them by the package's
 * own name. Their errors have no stack trace, and none deletes what the stack goes on using.
 */
import * as all from "./entry.ts";
import { succeeding } from "./succession.ts";

export const App = succeeding("app", all.App);
export const Certificate = succeeding("certificate", all.Certificate);
export const IpAddress = succeeding("address", all.IpAddress);
export const Machine = succeeding("machine", all.Machine);
export const Secrets = succeeding("secrets", all.Secrets);
export const Volume = succeeding("volume", all.Volume);
export { Name, Password, RevocationList } from "./entry.ts";
