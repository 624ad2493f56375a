/**
 * What the delegates in `index.ts` reach, by the package's own name: the providers themselves, one
 * for each resource type. Nothing here is ever serialised, so a resource made by an older version
 * of this code is read, updated and deleted by the present one.
 */
export { app as App } from "./fly/app.ts";
export { ipAddress as IpAddress } from "./fly/ip.ts";
export { machine as Machine } from "./fly/machine.ts";
export { secrets as Secrets } from "./fly/secrets.ts";
export { volume as Volume } from "./fly/volume.ts";
export { name as Name } from "./kept/name.ts";
export { password as Password } from "./kept/password.ts";
