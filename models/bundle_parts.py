"""Which parts of MONAI a bundle that nobody has read may name, with which arguments: what segmenting networks need.

Forbidden by default: a part that is not here may read pickles, write anywhere or run what it is given, or nobody has
looked. A name that ends in d, D or Dict is the same part for dictionaries.
"""

from collections.abc import Callable, Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TRANSFORMS = _words(
    """
    Activations AddChannel AsChannelFirst AsDiscrete CastToType CenterSpatialCrop ClipIntensityPercentiles
    Compose ConcatItems ConvertToMultiChannelBasedOnBratsClasses CopyItems CropForeground DeleteItems
    DivisiblePad EnsureChannelFirst EnsureType FillHoles Flip ForegroundMask GaussianSmooth HistogramNormalize
    Identity Invert KeepLargestConnectedComponent LabelFilter LabelToMask Lambda LoadImage MapLabelValue
    MaskIntensity MeanEnsemble NormalizeIntensity Orientation RemoveRepeatedChannel RemoveSmallObjects Resample
    ResampleToMatch Resize ResizeWithPadOrCrop Rotate90 SaveImage ScaleIntensity ScaleIntensityRange
    ScaleIntensityRangePercentiles SelectItems ShiftIntensity Spacing SpatialCrop SpatialPad SpatialResample
    SplitDim SqueezeDim ThresholdIntensity ToDevice ToNumpy ToTensor Transpose VoteEnsemble Zoom
    """
)
_OTHERS = _words(
    """
    AHNet Accuracy AttentionUnet BasicUNet BasicUNetPlusPlus BasicUnet CacheDataset CheckpointLoader Classifier
    DataLoader Dataset DenseNet DenseNet121 DenseNet169 DenseNet201 DenseNet264 DiNTS DiceCELoss DiceLoss
    DiceMetric DynUNet EfficientNetBN EnsembleEvaluator FlexUNet FlexibleUNet GarbageCollector HausdorffDistance
    HighResNet MeanDice MedNeXt ResNet SEResNet50 SegResNet SegResNetDS SegResNetDS2 SegResNetVAE SimpleInferer
    SliceInferer SlidingWindowInferer SlidingWindowInfererAdapt StatsHandler SupervisedEvaluator SwinUNETR
    ThreadDataLoader TopologyInstance UNETR UNet Unet VNet
    """
)
ARGUMENTS = _words(
    """
    a_max a_min act additional_metrics adn_ordering affine align_corners allow_missing_keys allow_smaller amp
    anti_aliasing applied_labels argmax attn_drop_rate axcodes axes axis b_max b_min batch_size bias
    block_inplanes blocks_down blocks_up buffer_dim buffer_steps by_measure cache_num cache_rate
    cache_roi_weight_map channel_dim channel_mul channel_wise channels clip collate_fn connectivity conv1_t_size
    conv1_t_stride conv_block conv_only copy_cache cval data data_type datalist dataset decollate
    deep_supervision deep_supr_num depth depths device diagonal dilation dim dimensions divisor downsample
    drop_last drop_rate dropout dropout_dim dropout_prob dropout_rate dsdepth dtype end_coord_key
    ensure_channel_first ensure_same_shape epoch_length eps factor feature_size features filters func
    get_not_nans groups growth_rate hidden_size ignore_empty image_only img_size in_channels in_features
    include_background independent indices inferer init_features init_filters inplace input_image_size
    inputs_shape interp_kernel_size inv_func inverse is_onehot is_pad iteration_log iteration_update k
    k_divisible keep_size keepdim kernel_size key key_val_metric keys label_mapping labels lazy load_dict
    load_path lower map_location margin max_pixdim maxv meta_key_postfix meta_keys method metric_cmp_fn
    min_pixdim min_size minv mlp_dim mode model_name momentum n_input_channels name names nearest_interp network
    networks non_blocking nonzero norm norm_name normalize num_blocks num_channels num_classes num_components
    num_features num_groups num_heads num_init_features num_res_units num_workers orig_keys orig_labels
    orig_meta_keys original_affine other out_channels out_features output_dir output_dtype output_ext
    output_postfix output_transform overlap overwrite p padding padding_mode patch_norm patch_size
    persistent_workers pin_memory pixdim pos_embed post_func postprocessing preact pred_keys prefetch_factor
    prepare_batch pretrained print_log progress proj_type qkv_bias reader recompute_affine reduction relative
    repeats res_block resample roi_center roi_end roi_scale roi_size roi_start rounding runtime_cache
    scale_extent seed select_fn separate_folder shape_only shortcut_type shuffle sigma sigma_scale sigmoid
    simple_keys size_mode smooth_dr smooth_nr softmax source_key spatial_axes spatial_axis spatial_dims
    spatial_size squared_pred squeeze_end_dims start start_coord_key strict strict_check strict_shape stride
    strides subtrahend sw_batch_size sw_device tag_name target_labels threshold times to_onehot to_onehot_y
    to_tensor track_meta trans_bias transform transforms up_kernel_size up_mode upper upsample
    upsample_kernel_size upsample_mode use_checkpoint use_conv_final use_deep_supervision use_downsample use_v2
    vae_default_std vae_estimate_std vae_nz val_data_loader val_handlers value weights widen_factor with_coord
    wrap_sequence
    """
)
_READERS = ("NibabelReader", "ITKReader", "PydicomReader")


def is_known(part: str) -> bool:
    """Whether the class `part` of MONAI is one that a bundle may name; torch's layers are not asked here."""
    bare = next((part.removesuffix(one) for one in ("Dict", "d", "D") if part.endswith(one)), part)
    return part in _OTHERS or part in _TRANSFORMS or bare in _TRANSFORMS


def unknown_argument(name: str, value: object) -> str:
    """What is wrong with an argument of a part, "" where nothing is."""
    if name not in ARGUMENTS:
        return f"the argument {name!r}"
    allowed = _VALUES.get(name)
    return "" if allowed is None or allowed(value) else f"the argument {name!r} as {value!r}"


def _inside(value: object) -> bool:
    """A place of the bundle's own: what the config calls its folders, and a name below."""
    return isinstance(value, str) and value.startswith(("@", "$@")) and ".." not in value


_VALUES: Mapping[str, Callable[[object], bool]] = {
    "reader": lambda value: value is None or value in _READERS,
    "output_dir": _inside,
    "load_path": _inside,
    "num_workers": lambda value: not isinstance(value, str) or value.startswith("@"),
    "pretrained": lambda value: value is False,
}
