/** Provider for resource types that the program no longer declares, but that older states still hold. */
import type { Provider } from "../provider.ts";

/** Reads a resource, and deletes it from the state, the only place where it exists. */
export const retired: Provider<object, object> = {
    configure: () => Promise.resolve(),
    check: (_olds, news) => Promise.resolve({ inputs: news, failures: [] }),
    diff: () => Promise.resolve({ changes: false }),
    create: () =>
        Promise.reject(
            new Error("This resource type belongs to an earlier version and cannot be created."),
        ),
    read: (id, props) => Promise.resolve({ id, ...(props && { props }) }),
    update: (_id, olds) => Promise.resolve({ outs: olds }),
    delete: () => Promise.resolve(),
};
