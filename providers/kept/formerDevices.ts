/**
 * Keys and certificates of devices that may no longer log in, kept in the state, so that the
 * verification can prove that the broker refuses them: the stack's own resources of a removed device are
 * gone by then.
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
    /** Secret. Those that may log in now. One that is left out is remembered. */
    devices: Device[];
    /**
     * Secret. Those that the stack has already, taken over when the resource is made: from a stack of an
     * earlier version, or from a resource that is replaced or gone. Not kept in the state.
     */
    earlier?: KnownDevices;
}

export interface KnownDevices {
    devices: Device[];
    /** Newest first, until each certificate ends; at most `MAX_FORMER_DEVICES`. */
    former: Device[];
}

/** In PEM; `name` is the user. */
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

/** Each is tried by every verification. */
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

/** A device that has a new certificate may still log in with its old one, so only removed ones count. */
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
