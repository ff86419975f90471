"""What descriptions are likely to say, for the coder of small files: where a text repeats it, it costs next to nothing.

It is part of the format: every small file needs these very bytes to be read, so that they can never change.
"""

WORDS = (
    b'{"run_id":"","program_version":"0.1.0","created":"2026-11-26T10:00:00+00:00","config":{"preset":"auto","field":{'
    b'"family":"dinr-siren","embedding":"siren","width":48,"blocks":3,"layers":5,"steps":1,"horizon":1.0,"integrator":'
    b'"euler","tolerance":0.0001,"features":192,"bandwidth":1.48,"omega_0":17.8,"hidden_omega":15.0,"zero_start":true,'
    b'"dropout":0.0},"training":{"max_epochs":57,"time_limit":60.0,"goal_psnr":null,"patience":0,"batch":2048,"micro_b'
    b'atch":1024,"optimiser":"muon","growing_steps":false,"learning_rate":0.02,"weight_decay":0.0,"schedule":"cosine",'
    b'"warm_up":0.03,"gradient_clip":1.0,"kinetic_weight":0.0,"kinetic_scale":"variance","normalisation":"percentile",'
    b'"outliers":"exclude","scaling":"physical","held_out_share":0.0,"held_out_scheme":"random","device":"auto","preci'
    b'sion":"fp32","seed":3407},"reasons":[]},"grid":{"shape":[64,64,64],"voxel_size":[1.0,1.0,1.0],"origin":[0.0,0.0,'
    b'0.0],"units":["angstrom","angstrom","angstrom"],"axes":["z","y","x"],"orientation":null,"epoch":null},"coordinat'
    b'es":{"centre":[31.5,31.5,31.5],"scale":[0.03125,0.03125,0.03125],"offset":[0.0,0.0,0.0]},"normalisation":{"scale'
    b'":[1.0],"offset":[-0.0]},"channel_ranges":[[0.0,1.0]],"channel_names":[],"value_unit":"","provenance":{"file":"/'
    b'home/","sha256":"","reader":"HDF5","dataset":"values","notes":[]},"open_options":{},"outliers":0,"scores":{},"fi'
    b'nished":true,"end_reason":"time limit of 60 s reached","events":[],"state":null,"scattered":0,"partition":null,"'
    b'block_maps":[],"packing":{"bits":null,"psnr":null,"psnr_before":null,"voxels":0}}'
)
