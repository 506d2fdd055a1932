"""From objects in S3 to verified objects in Cloud Storage: inventory, plan, two routes, verification.

```
inventory ──▶ cursor ──▶ manifest ──▶ plan ──┬─ proxy (streams through this worker)  ──┐
                                             └─ bulk  (Storage Transfer Service)     ──┴──▶ verify
```

`landing` strings the steps together; each step is also usable alone, since an orchestrator wants to run, retry and show
them one by one. Everything here takes plain values and clients and returns frozen values; nothing knows who called.
"""
