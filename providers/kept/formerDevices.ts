/**
 * Keeps keys and certificates of removed devices in the state, so that the verification can prove that the
 * broker refuses them. The stack's own resources of a removed device are deleted.
 */
import { X509Certificate } from "node:crypto";
import {
    diffProperties,
    toState,
    withoutEarlier,
    type PropertyRules,
    type Provider,
} from "../provider.ts";

export interface FormerDevicesInputs {
    /** Secret. Devices that may log in. A change is in place: a device that is removed becomes a former one. */
    devices: Device[];
    /**
     * Secret. Devices already in the stack, which a create takes over: from a stack of an earlier version, or
     * from a resource that is replaced or lost. Not kept in the state; a change does nothing.
     */
    earlier?: KnownDevices;
}

export interface KnownDevices {
    devices: Device[];
    /** Removed devices whose certificates have not expired, newest first; at most `MAX_FORMER_DEVICES`. */
    former: Device[];
}

/** A device's certificate and key, in PEM. `name` is its user name. */
export interface Device {
    name: string;
    certificatePem: string;
    privateKeyPem: string;
}

/** Secret. */
export type FormerDevicesOutputs = KnownDevices;

const FORMER_DEVICES_RULES: PropertyRules<FormerDevicesInputs> = {
    devices: { effect: "update" },
    earlier: { effect: "none", optional: true },
};

/** Bounded, since every verification tries each of them. */
export const MAX_FORMER_DEVICES = 20;

export const formerDevices: Provider<FormerDevicesInputs, FormerDevicesOutputs> = {
    configure: () => Promise.resolve(),

    check: (olds, news) => Promise.resolve({ inputs: withoutEarlier(olds, news), failures: [] }),

    diff(_id, olds, news) {
        const { changed, replaces } = diffProperties<FormerDevicesInputs>(
            olds,
            news,
            FORMER_DEVICES_RULES,
        );
        return Promise.resolve({ changes: changed.length > 0, replaces });
    },

    create: (inputs) => {
        const outs = nextDevices(inputs.devices, inputs.earlier, new Date());
        return Promise.resolve({ id: "former-devices", outs });
    },

    read: (id, props) => Promise.resolve({ id, ...(props && { props }) }),

    update: (_id, olds, news) =>
        Promise.resolve({ outs: nextDevices(news.devices, olds, new Date()) }),

    delete: () => Promise.resolve(),
};

/** Adds removed devices to the former ones. A renewed device does not count: its old certificate stays valid. */
function nextDevices(
    devices: Device[],
    olds: KnownDevices | undefined,
    now: Date,
): FormerDevicesOutputs {
    const names = new Set(devices.map(({ name }) => name));
    const removed = (olds?.devices ?? []).filter(({ name }) => !names.has(name));
    const former = [...removed, ...(olds?.former ?? [])]
        .filter(({ certificatePem }) => new X509Certificate(certificatePem).validToDate > now)
        .slice(0, MAX_FORMER_DEVICES);
    return toState({ devices, former });
}
