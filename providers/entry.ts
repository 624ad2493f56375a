/**
 * Exports the providers, one per resource type; `host.ts` wraps them for the engine. Nothing here is ever
 * serialised, so the current code reads, updates and deletes resources that an older version made.
 */
import { withoutTraces } from "./provider.ts";
import { app } from "./fly/app/app.ts";
import { certificate } from "./fly/certificate.ts";
import { ipAddress } from "./fly/ip.ts";
import { machine } from "./fly/machine/machine.ts";
import { secrets } from "./fly/secrets/secrets.ts";
import { volume } from "./fly/volume/volume.ts";
import { name } from "./kept/name.ts";
import { formerDevices } from "./kept/formerDevices.ts";
import { passwords } from "./kept/passwords.ts";
import { retired } from "./kept/retired.ts";
import { revocationList } from "./kept/revocationList.ts";

export const App = withoutTraces(app);
export const Certificate = withoutTraces(certificate);
export const IpAddress = withoutTraces(ipAddress);
export const Machine = withoutTraces(machine);
export const Secrets = withoutTraces(secrets);
export const Volume = withoutTraces(volume);
export const Name = withoutTraces(name);
export const Passwords = withoutTraces(passwords);
export const FormerDevices = withoutTraces(formerDevices);
/** Until version 0.2 each user had a resource of this type. */
export const Password = withoutTraces(retired);
export const RevocationList = withoutTraces(revocationList);
