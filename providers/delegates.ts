/**
 * What Pulumi serialises into the state for each resource: a few constant lines that import the
 * real provider and hand over to it (see `entry.ts`). They capture nothing, so no token and no
 * version of the code gets into the state. Two rules keep that true: the import's text stands in
 * each method, and a method uses nothing but its parameters.
 */
import type { dynamic } from "@pulumi/pulumi";

type Delegate = Required<dynamic.ResourceProvider>;

// The host's contract is untyped; the types are in the providers themselves.
/* eslint-disable @typescript-eslint/no-unsafe-argument */

// prettier-ignore
export const delegateApp: Delegate = {
    async configure(r) { return (await import("appkata-mqtt/providers")).App.configure(r); },
    async check(o, n) { return (await import("appkata-mqtt/providers")).App.check(o, n); },
    async diff(i, o, n) { return (await import("appkata-mqtt/providers")).App.diff(i, o, n); },
    async create(i) { return (await import("appkata-mqtt/providers")).App.create(i); },
    async read(i, p) { return (await import("appkata-mqtt/providers")).App.read(i, p); },
    async update(i, o, n) { return (await import("appkata-mqtt/providers")).App.update(i, o, n); },
    async delete(i, p) { return (await import("appkata-mqtt/providers")).App.delete(i, p); },
};

// prettier-ignore
export const delegateIpAddress: Delegate = {
    async configure(r) { return (await import("appkata-mqtt/providers")).IpAddress.configure(r); },
    async check(o, n) { return (await import("appkata-mqtt/providers")).IpAddress.check(o, n); },
    async diff(i, o, n) { return (await import("appkata-mqtt/providers")).IpAddress.diff(i, o, n); },
    async create(i) { return (await import("appkata-mqtt/providers")).IpAddress.create(i); },
    async read(i, p) { return (await import("appkata-mqtt/providers")).IpAddress.read(i, p); },
    async update(i, o, n) { return (await import("appkata-mqtt/providers")).IpAddress.update(i, o, n); },
    async delete(i, p) { return (await import("appkata-mqtt/providers")).IpAddress.delete(i, p); },
};

// prettier-ignore
export const delegateVolume: Delegate = {
    async configure(r) { return (await import("appkata-mqtt/providers")).Volume.configure(r); },
    async check(o, n) { return (await import("appkata-mqtt/providers")).Volume.check(o, n); },
    async diff(i, o, n) { return (await import("appkata-mqtt/providers")).Volume.diff(i, o, n); },
    async create(i) { return (await import("appkata-mqtt/providers")).Volume.create(i); },
    async read(i, p) { return (await import("appkata-mqtt/providers")).Volume.read(i, p); },
    async update(i, o, n) { return (await import("appkata-mqtt/providers")).Volume.update(i, o, n); },
    async delete(i, p) { return (await import("appkata-mqtt/providers")).Volume.delete(i, p); },
};

// prettier-ignore
export const delegateSecrets: Delegate = {
    async configure(r) { return (await import("appkata-mqtt/providers")).Secrets.configure(r); },
    async check(o, n) { return (await import("appkata-mqtt/providers")).Secrets.check(o, n); },
    async diff(i, o, n) { return (await import("appkata-mqtt/providers")).Secrets.diff(i, o, n); },
    async create(i) { return (await import("appkata-mqtt/providers")).Secrets.create(i); },
    async read(i, p) { return (await import("appkata-mqtt/providers")).Secrets.read(i, p); },
    async update(i, o, n) { return (await import("appkata-mqtt/providers")).Secrets.update(i, o, n); },
    async delete(i, p) { return (await import("appkata-mqtt/providers")).Secrets.delete(i, p); },
};

// prettier-ignore
export const delegateMachine: Delegate = {
    async configure(r) { return (await import("appkata-mqtt/providers")).Machine.configure(r); },
    async check(o, n) { return (await import("appkata-mqtt/providers")).Machine.check(o, n); },
    async diff(i, o, n) { return (await import("appkata-mqtt/providers")).Machine.diff(i, o, n); },
    async create(i) { return (await import("appkata-mqtt/providers")).Machine.create(i); },
    async read(i, p) { return (await import("appkata-mqtt/providers")).Machine.read(i, p); },
    async update(i, o, n) { return (await import("appkata-mqtt/providers")).Machine.update(i, o, n); },
    async delete(i, p) { return (await import("appkata-mqtt/providers")).Machine.delete(i, p); },
};

// prettier-ignore
export const delegateName: Delegate = {
    async configure(r) { return (await import("appkata-mqtt/providers")).Name.configure(r); },
    async check(o, n) { return (await import("appkata-mqtt/providers")).Name.check(o, n); },
    async diff(i, o, n) { return (await import("appkata-mqtt/providers")).Name.diff(i, o, n); },
    async create(i) { return (await import("appkata-mqtt/providers")).Name.create(i); },
    async read(i, p) { return (await import("appkata-mqtt/providers")).Name.read(i, p); },
    async update(i, o, n) { return (await import("appkata-mqtt/providers")).Name.update(i, o, n); },
    async delete(i, p) { return (await import("appkata-mqtt/providers")).Name.delete(i, p); },
};

// prettier-ignore
export const delegatePassword: Delegate = {
    async configure(r) { return (await import("appkata-mqtt/providers")).Password.configure(r); },
    async check(o, n) { return (await import("appkata-mqtt/providers")).Password.check(o, n); },
    async diff(i, o, n) { return (await import("appkata-mqtt/providers")).Password.diff(i, o, n); },
    async create(i) { return (await import("appkata-mqtt/providers")).Password.create(i); },
    async read(i, p) { return (await import("appkata-mqtt/providers")).Password.read(i, p); },
    async update(i, o, n) { return (await import("appkata-mqtt/providers")).Password.update(i, o, n); },
    async delete(i, p) { return (await import("appkata-mqtt/providers")).Password.delete(i, p); },
};
