"""Every attribute that may leave in a de-identified object, by its keyword; what is not here goes.

Each is treated by its VR (dicom_node.deidentification.scrub). Those that PS3.15 table E.1-1 names are here because an
option lets them stay, cleaned, moved or as another UID; a test holds all others against that table.
"""

from collections.abc import Mapping

#: By what they say.
SECTIONS: Mapping[str, str] = {
    "What an object is, and of what: PS3.3 C.12.1, C.7.3, C.7.6, C.8": """
        ImageType SOPClassUID SOPInstanceUID Modality ConversionType PresentationIntentType FrameType
        PixelPresentation VolumetricProperties VolumeBasedCalculationTechnique ComplexImageComponent
        AcquisitionContrast StartTrim StopTrim RecommendedDisplayFrameRate CineRate NumberOfEventTimers
        StageNumber NumberOfStages ViewNumber NumberOfViewsInStage ContentLabel LossyImageCompressionRetired
    """,
    "UIDs: each becomes another one": """
        StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID ReferencedSOPClassUID ReferencedSOPInstanceUID
        ReferencedFrameOfReferenceUID SynchronizationFrameOfReferenceUID ConcatenationUID
        SOPInstanceUIDOfConcatenationSource DimensionOrganizationUID IrradiationEventUID TrackingUID UID
        PaletteColorLookupTableUID TargetFrameOfReferenceUID
    """,
    "Dates and times: dates are moved, one distance for each patient; times of day stay": """
        StudyDate SeriesDate AcquisitionDate ContentDate InstanceCreationDate AcquisitionDateTime StudyTime
        SeriesTime AcquisitionTime ContentTime InstanceCreationTime DateOfSecondaryCapture
        TimeOfSecondaryCapture ContrastBolusStartTime ContrastBolusStopTime RadiopharmaceuticalStartTime
        RadiopharmaceuticalStopTime RadiopharmaceuticalStartDateTime RadiopharmaceuticalStopDateTime
        FrameAcquisitionDateTime FrameReferenceDateTime StartAcquisitionDateTime EndAcquisitionDateTime
        DecayCorrectionDateTime ObservationDateTime DateTime Date Time ReferencedDateTime
    """,
    "Words: cleaned, or struck out": """
        StudyDescription SeriesDescription BodyPartExamined ProtocolName PerformedProcedureStepDescription
        DerivationDescription AcquisitionProtocolDescription ContrastBolusAgent ContrastBolusRoute
        Radiopharmaceutical Manufacturer ManufacturerModelName SoftwareVersions
        SecondaryCaptureDeviceManufacturer SecondaryCaptureDeviceManufacturerModelName ViewName SequenceName
        PulseSequenceName ImagedNucleus ReceiveCoilName TransmitCoilName ConvolutionKernel FilterType
        AcquisitionMode ProcessingFunction DetectorDescription DetectorMode GridAbsorbingMaterial
        GridSpacingMaterial ExposureControlModeDescription RescaleType WindowCenterWidthExplanation
        LUTExplanation ModalityLUTType PixelSpacingCalibrationDescription PositionReferenceIndicator StackID
        DimensionDescriptionLabel FrameLabel EnergyWindowName AttenuationCorrectionMethod ReconstructionMethod
        ScatterCorrectionMethod DetectorLinesOfResponseUsed SegmentLabel SegmentDescription
        SegmentAlgorithmName TrackingID AlgorithmVersion AlgorithmName LUTLabel RadiopharmaceuticalRoute
        TransducerData ReconstructionDescription ImageFilter
    """,
    "Codes": """
        CodeValue LongCodeValue CodingSchemeDesignator CodingSchemeVersion CodeMeaning
    """,
    "Sequences of what may stay: PS3.3 10, C.7.6.16, C.8": """
        ASLBolusCutoffTimingSequence ASLSlabSequence AcousticCouplingMediumCodeSequence
        AcquisitionContextSequence AdditionalDrugSequence AdministrationRouteCodeSequence
        AlgorithmFamilyCodeSequence AnatomicRegionModifierSequence AnatomicRegionSequence BiopsyTargetSequence
        CTAcquisitionDetailsSequence CTAcquisitionTypeSequence CTAdditionalXRaySourceSequence
        CTDIPhantomTypeCodeSequence CTExposureSequence CTGeometrySequence CTImageFrameTypeSequence
        CTPositionSequence CTReconstructionSequence CTTableDynamicsSequence CTXRayDetailsSequence
        CalibrationDataSequence CalibrationSequence CardiacSynchronizationSequence ChemicalShiftSequence
        CollimatorShapeSequence ConceptCodeSequence ConceptNameCodeSequence ContentSequence
        ContentTemplateSequence ContraindicationsCodeSequence ContrastAdministrationProfileSequence
        ContrastBolusAdministrationRouteSequence ContrastBolusAgentSequence
        ContrastBolusIngredientCodeSequence ContrastBolusUsageSequence
        ContributingSOPInstancesReferenceSequence ContributingSourcesSequence
        CurrentRequestedProcedureEvidenceSequence DataFrameAssignmentSequence DataInformationSequence
        DecompositionAlgorithmIdentificationSequence DecompositionMaterialSequence DerivationCodeSequence
        DerivationImageSequence DetectorInformationSequence DetectorPositionSequence DiffusionBMatrixSequence
        DiffusionGradientDirectionSequence DimensionIndexSequence DimensionOrganizationSequence
        EnergyWindowInformationSequence EnergyWindowRangeSequence EnhancedPaletteColorLookupTableSequence
        EventCodeSequence ExcitationWavelengthSequence ExcludedIntervalsSequence
        ExposureControlSensingRegionsSequence FieldOfViewSequence FrameAcquisitionSequence
        FrameAnatomySequence FrameContentSequence FrameDetectorParametersSequence
        FramePixelDataPropertiesSequence FramePixelShiftSequence FrameVOILUTSequence FunctionalMRSequence
        GatedInformationSequence ImageDataTypeCodeSequence ImageDataTypeSequence ImageFilterDetailsSequence
        InterventionDrugCodeSequence InterventionDrugInformationSequence InterventionSequence
        IrradiationEventIdentificationSequence IsocenterReferenceSystemSequence MRArterialSpinLabelingSequence
        MRAveragesSequence MRDiffusionSequence MREchoSequence MRFOVGeometrySequence MRImageFrameTypeSequence
        MRImagingModifierSequence MRMetaboliteMapSequence MRModifierSequence MRReceiveCoilSequence
        MRSpatialSaturationSequence MRSpectroscopyFOVGeometrySequence MRSpectroscopyFrameTypeSequence
        MRTimingAndRelatedParametersSequence MRTransmitCoilSequence MRVelocityEncodingSequence
        MaskSubtractionSequence MaterialAttenuationSequence MaterialCodeSequence MeasuredValueSequence
        MeasurementUnitsCodeSequence MeasuringUnitsSequence MetaboliteMapCodeSequence ModalityLUTSequence
        ModifierCodeSequence MultiCoilDefinitionSequence MultiFramePresentationSequence
        MultienergyCTAcquisitionSequence MultienergyCTCharacteristicsSequence MultienergyCTPathSequence
        MultienergyCTProcessingSequence MultienergyCTXRayDetectorSequence MultienergyCTXRaySourceSequence
        NumericValueQualifierCodeSequence OperatingModeSequence PETDetectorMotionDetailsSequence
        PETFrameAcquisitionSequence PETFrameCorrectionFactorsSequence PETFrameTypeSequence PETPositionSequence
        PETReconstructionSequence PETTableDynamicsSequence ParametricMapFrameTypeSequence
        PartialViewCodeSequence PatientGantryRelationshipCodeSequence PatientOrientationCodeSequence
        PatientOrientationInFrameSequence PatientOrientationModifierCodeSequence
        PatientPhysiologicalStateCodeSequence PatientPhysiologicalStateSequence
        PerFrameFunctionalGroupsSequence PerProjectionAcquisitionSequence PerformedProcedureCodeSequence
        PertinentOtherEvidenceSequence PhaseInformationSequence PhotoacousticExcitationCharacteristicsSequence
        PhotoacousticImageFrameTypeSequence PixelIntensityRelationshipLUTSequence PixelMeasuresSequence
        PixelShiftSequence PixelValueTransformationSequence PlaneOrientationSequence
        PlaneOrientationVolumeSequence PlanePositionSequence PlanePositionVolumeSequence
        PositionerPositionSequence PotentialReasonsForProcedureCodeSequence
        PotentialRequestedProcedureCodeSequence PredecessorDocumentsSequence
        PrimaryAnatomicStructureModifierSequence PrimaryAnatomicStructureSequence ProcedureCodeSequence
        ProjectionPixelCalibrationSequence PurposeOfReferenceCodeSequence QuantityDefinitionSequence
        RadionuclideCodeSequence RadiopharmaceuticalCodeSequence RadiopharmaceuticalInformationSequence
        RadiopharmaceuticalUsageSequence RealWorldValueMappingSequence ReconstructionAlgorithmSequence
        ReferenceBasisCodeSequence ReferenceGeometryCodeSequence ReferencedImageRealWorldValueMappingSequence
        ReferencedImageSequence ReferencedInstanceSequence ReferencedSOPSequence ReferencedSeriesSequence
        RegionPixelShiftSequence RequestedSeriesDescriptionCodeSequence RespiratorySynchronizationSequence
        RotationInformationSequence SegmentIdentificationSequence SegmentSequence
        SegmentationAlgorithmIdentificationSequence SegmentedPropertyCategoryCodeSequence
        SegmentedPropertyTypeCodeSequence SegmentedPropertyTypeModifierCodeSequence
        SequenceOfUltrasoundRegions SharedFunctionalGroupsSequence SoftcopyVOILUTSequence
        SoundSpeedCorrectionMechanismCodeSequence SourceImageSequence SourceIrradiationEventSequence
        SpecificAbsorptionRateSequence StoredValueColorRangeSequence
        StudiesContainingOtherReferencedInstancesSequence TablePositionSequence TemporalPositionSequence
        TimeSlotInformationSequence TransducerApplicationCodeSequence TransducerBeamSteeringCodeSequence
        TransducerGeometryCodeSequence TransducerResponseSequence TransducerScanPatternCodeSequence
        TransducerTechnologySequence USImageDescriptionSequence UsedSegmentsSequence VOILUTSequence
        VariableModalityLUTSequence VelocityEncodingAcquisitionSequence ViewCodeSequence
        ViewModifierCodeSequence VolumeLocalizationSequence
        WaterEquivalentDiameterCalculationMethodCodeSequence XAAcquisitionPhaseDetailsSequence
        XAPlaneDetailsSequence XAXRFFrameCharacteristicsSequence XRay3DAcquisitionSequence
        XRay3DFrameTypeSequence XRay3DReconstructionSequence XRayAcquisitionDoseSequence
        XRayFilterDetailsSequence XRayFilterSequence XRayGeometrySequence XRayGridSequence
    """,
    "Reports: PS3.3 C.17, C.18": """
        ValueType RelationshipType ContinuityOfContent CompletionFlag VerificationFlag PreliminaryFlag
        TemplateIdentifier MappingResource TextValue NumericValue FloatingPointValue RationalNumeratorValue
        RationalDenominatorValue ReferencedFrameNumber ReferencedSegmentNumber TemporalRangeType
        ReferencedSamplePositions ReferencedTimeOffsets GraphicData GraphicType PixelOriginInterpretation
    """,
    "Values of the real world, slopes and maps: PS3.3 C.7.6.16.2.11": """
        RealWorldValueFirstValueMapped RealWorldValueLastValueMapped RealWorldValueIntercept
        RealWorldValueSlope RealWorldValueLUTData DoubleFloatRealWorldValueFirstValueMapped
        DoubleFloatRealWorldValueLastValueMapped EntranceDoseInmGy EntranceDose ExposedArea
        DistanceSourceToEntrance OrganDose OrganExposed EntranceDoseDerivation
    """,
    "Numbers and terms of images: PS3.3 C.7, C.8": """
        ContrastBolusT1Relaxivity ScanningSequence SequenceVariant ScanOptions MRAcquisitionType AngioFlag
        InterventionDrugDose InterventionStatus InitialCineRunState SliceThickness KVP CountsAccumulated
        AcquisitionTerminationCondition EffectiveDuration AcquisitionStartCondition
        AcquisitionStartConditionData AcquisitionTerminationConditionData RepetitionTime EchoTime
        InversionTime NumberOfAverages ImagingFrequency EchoNumbers MagneticFieldStrength SpacingBetweenSlices
        NumberOfPhaseEncodingSteps DataCollectionDiameter EchoTrainLength PercentSampling
        PercentPhaseFieldOfView PixelBandwidth ContrastBolusVolume ContrastBolusTotalDose SyringeCounts
        ContrastFlowRate ContrastFlowDuration ContrastBolusIngredient ContrastBolusIngredientConcentration
        SpatialResolution TriggerTime NominalInterval FrameTime FrameTimeVector FrameDelay ImageTriggerDelay
        MultiplexGroupTimeOffset TriggerTimeOffset SynchronizationTrigger SynchronizationChannel
        TriggerSamplePosition RadiopharmaceuticalVolume RadionuclideTotalDose RadionuclideHalfLife
        RadionuclidePositronFraction RadiopharmaceuticalSpecificActivity BeatRejectionFlag LowRRValue
        HighRRValue IntervalsAcquired IntervalsRejected SkipBeats HeartRate CardiacNumberOfImages
        TriggerWindow ReconstructionDiameter DistanceSourceToDetector DistanceSourceToPatient
        EstimatedRadiographicMagnificationFactor GantryDetectorTilt GantryDetectorSlew TableHeight
        TableTraverse TableMotion TableVerticalIncrement TableLateralIncrement TableLongitudinalIncrement
        TableAngle TableType RotationDirection RadialPosition ScanArc AngularStep CenterOfRotationOffset
        FieldOfViewShape FieldOfViewDimensions ExposureTime XRayTubeCurrent Exposure ExposureInuAs
        AveragePulseWidth RadiationSetting RectificationType RadiationMode ImageAndFluoroscopyAreaDoseProduct
        IntensifierSize ImagerPixelSpacing Grid GeneratorPower CollimatorType FocalDistance XFocusCenter
        YFocusCenter FocalSpots AnodeTargetMaterial BodyPartThickness CompressionForce CompressionPressure
        AcquiredSubtractionMaskFlag FluoroscopyPersistenceFlag FluoroscopyLastImageHoldPersistenceFlag
        UpperLimitNumberOfPersistentFluoroscopyFrames ContrastBolusAutoInjectionTriggerFlag
        ContrastBolusInjectionDelay XAAcquisitionFrameRate XAAcquisitionDuration ReconstructionPipelineType
        AppliedMaskSubtractionFlag ActualFrameDuration CountRate PreferredPlaybackSequencing
        WaterEquivalentDiameter ScanVelocity WholeBodyTechnique ScanLength AcquisitionMatrix
        InPlanePhaseEncodingDirection FlipAngle VariableFlipAngleFlag SAR dBdt B1rms CassetteOrientation
        CassetteSize ExposuresOnPlate RelativeXRayExposure ExposureIndex TargetExposureIndex DeviationIndex
        ColumnAngulation TomoLayerHeight TomoAngle TomoTime TomoType TomoClass
        NumberOfTomosynthesisSourceImages PositionerMotion PositionerType PositionerPrimaryAngle
        PositionerSecondaryAngle PositionerPrimaryAngleIncrement PositionerSecondaryAngleIncrement
        DetectorPrimaryAngle DetectorSecondaryAngle ShutterShape ShutterLeftVerticalEdge
        ShutterRightVerticalEdge ShutterUpperHorizontalEdge ShutterLowerHorizontalEdge CenterOfCircularShutter
        RadiusOfCircularShutter VerticesOfThePolygonalShutter ShutterPresentationValue ShutterOverlayGroup
        ShutterPresentationColorCIELabValue OutlineShapeType OutlineLeftVerticalEdge OutlineRightVerticalEdge
        OutlineUpperHorizontalEdge OutlineLowerHorizontalEdge CenterOfCircularOutline
        DiameterOfCircularOutline NumberOfPolygonalVertices CollimatorShape CollimatorLeftVerticalEdge
        CollimatorRightVerticalEdge CollimatorUpperHorizontalEdge CollimatorLowerHorizontalEdge
        CenterOfCircularCollimator RadiusOfCircularCollimator VerticesOfThePolygonalCollimator
        AcquisitionTimeSynchronized PageNumberVector FramePrimaryAngleVector FrameSecondaryAngleVector
        SliceLocationVector NominalScannedPixelSpacing DigitizingDeviceTransportDirection
        RotationOfScannedFilm LocalizingCursorPosition CalculatedTargetPosition IVUSAcquisition
        IVUSPullbackRate IVUSGatedRate IVUSPullbackStartFrameNumber IVUSPullbackStopFrameNumber LesionNumber
        FocusDepth MechanicalIndex BoneThermalIndex CranialThermalIndex SoftTissueThermalIndex
        SoftTissueFocusThermalIndex SoftTissueSurfaceThermalIndex DepthOfScanField PatientPosition
        ViewPosition Sensitivity RegionSpatialFormat RegionDataType RegionFlags RegionLocationMinX0
        RegionLocationMinY0 RegionLocationMaxX1 RegionLocationMaxY1 ReferencePixelX0 ReferencePixelY0
        PhysicalUnitsXDirection PhysicalUnitsYDirection ReferencePixelPhysicalValueX
        ReferencePixelPhysicalValueY PhysicalDeltaX PhysicalDeltaY TransducerFrequency TransducerType
        PulseRepetitionFrequency DopplerCorrectionAngle SteeringAngle DopplerSampleVolumeXPosition
        DopplerSampleVolumeYPosition TMLinePositionX0 TMLinePositionY0 TMLinePositionX1 TMLinePositionY1
        PixelComponentOrganization PixelComponentMask PixelComponentRangeStart PixelComponentRangeStop
        PixelComponentPhysicalUnits PixelComponentDataType NumberOfTableBreakPoints TableOfXBreakPoints
        TableOfYBreakPoints NumberOfTableEntries TableOfPixelValues TableOfParameterValues RWaveTimeVector
        ActiveImageAreaOverlayGroup DetectorConditionsNominalFlag DetectorTemperature DetectorType
        DetectorConfiguration ExposuresOnDetectorSinceLastCalibration ExposuresOnDetectorSinceManufactured
        DetectorTimeSinceLastExposure DetectorActiveTime DetectorActivationOffsetFromExposure DetectorBinning
        DetectorElementPhysicalSize DetectorElementSpacing DetectorActiveShape DetectorActiveDimensions
        DetectorActiveOrigin FieldOfViewOrigin FieldOfViewRotation FieldOfViewHorizontalFlip
        PixelDataAreaOriginRelativeToFOV PixelDataAreaRotationAngleRelativeToFOV GridThickness GridPitch
        GridAspectRatio GridPeriod GridFocalDistance FilterMaterial FilterThicknessMinimum
        FilterThicknessMaximum FilterBeamPathLengthMinimum FilterBeamPathLengthMaximum ExposureControlMode
        ExposureStatus PhototimerSetting ExposureTimeInuS XRayTubeCurrentInuA ContentQualification
        EchoPulseSequence InversionRecovery FlowCompensation MultipleSpinEcho MultiPlanarExcitation
        PhaseContrast TimeOfFlightContrast Spoiling SteadyStatePulseSequence EchoPlanarPulseSequence
        TagAngleFirstAxis MagnetizationTransfer T2Preparation BloodSignalNulling SaturationRecovery
        SpectrallySelectedSuppression SpectrallySelectedExcitation SpatialPresaturation Tagging
        OversamplingPhase TagSpacingFirstDimension GeometryOfKSpaceTraversal SegmentedKSpaceTraversal
        RectilinearPhaseEncodeReordering TagThickness PartialFourierDirection CardiacSynchronizationTechnique
        ReceiveCoilType QuadratureReceiveCoil MultiCoilElementUsed TransmitCoilType SpectralWidth
        ChemicalShiftReference VolumeLocalizationTechnique MRAcquisitionFrequencyEncodingSteps Decoupling
        DecoupledNucleus DecouplingFrequency DecouplingMethod DecouplingChemicalShiftReference KSpaceFiltering
        TimeDomainFiltering NumberOfZeroFills BaselineCorrection ParallelReductionFactorInPlane
        CardiacRRIntervalSpecified AcquisitionDuration DiffusionDirectionality ParallelAcquisition
        ParallelAcquisitionTechnique InversionTimes PartialFourier EffectiveEchoTime CardiacSignalSource
        DiffusionBValue DiffusionGradientOrientation VelocityEncodingDirection VelocityEncodingMinimumValue
        NumberOfKSpaceTrajectories CoverageOfKSpace SpectroscopyAcquisitionPhaseRows TransmitterFrequency
        ResonantNucleus FrequencyCorrection SlabThickness SlabOrientation MidSlabPosition
        SpectroscopyAcquisitionDataColumns DiffusionAnisotropyType ParallelReductionFactorOutOfPlane
        SpectroscopyAcquisitionOutOfPlanePhaseSteps ParallelReductionFactorSecondInPlane
        CardiacBeatRejectionTechnique RespiratoryMotionCompensationTechnique RespiratorySignalSource
        BulkMotionCompensationTechnique BulkMotionSignalSource ApplicableSafetyStandardAgency
        SpecificAbsorptionRateDefinition GradientOutputType SpecificAbsorptionRateValue GradientOutput
        FlowCompensationDirection TaggingDelay FirstOrderPhaseCorrection WaterReferencedPhaseCorrection
        MRSpectroscopyAcquisitionType RespiratoryCyclePosition VelocityEncodingMaximumValue
        TagSpacingSecondDimension TagAngleSecondAxis FrameAcquisitionDuration
        MRAcquisitionPhaseEncodingStepsInPlane MRAcquisitionPhaseEncodingStepsOutOfPlane
        SpectroscopyAcquisitionPhaseColumns CardiacCyclePosition RFEchoTrainLength GradientEchoTrainLength
        ArterialSpinLabelingContrast ASLSlabNumber ASLSlabThickness ASLSlabOrientation ASLMidSlabPosition
        ASLContext ASLPulseTrainDuration ASLCrusherFlag ASLCrusherFlowLimit ASLBolusCutoffFlag
        ASLBolusCutoffDelayTime ChemicalShiftMinimumIntegrationLimitInppm
        ChemicalShiftMaximumIntegrationLimitInppm WaterReferenceAcquisition EchoPeakPosition AcquisitionType
        TubeAngle RevolutionTime SingleCollimationWidth TotalCollimationWidth TableSpeed TableFeedPerRotation
        SpiralPitchFactor DataCollectionCenterPatient ReconstructionAlgorithm ConvolutionKernelGroup
        ReconstructionFieldOfView ReconstructionTargetCenterPatient ReconstructionAngle
        ReconstructionPixelSpacing ExposureModulationType TablePosition ExposureTimeInms XRayTubeCurrentInmA
        ExposureInmAs ConstantVolumeFlag FluoroscopyFlag DistanceSourceToDataCollectionCenter
        ContrastBolusAgentNumber ContrastBolusAgentAdministered ContrastBolusAgentDetected
        ContrastBolusAgentPhase CTDIvol CalciumScoringMassFactorPatient CalciumScoringMassFactorDevice
        EnergyWeightingFactor MultienergyCTAcquisition XRaySourceIndex MultienergySourceTechnique
        SwitchingPhaseNumber SwitchingPhaseNominalDuration SwitchingPhaseTransitionDuration EffectiveBinEnergy
        XRayDetectorIndex MultienergyDetectorType NominalMaxEnergy NominalMinEnergy
        ReferencedXRayDetectorIndex ReferencedXRaySourceIndex ReferencedPathIndex MultienergyCTPathIndex
        MonoenergeticEnergyEquivalent DecompositionMethod PhotonEnergy XRayMassAttenuationCoefficient
        DistanceSourceToIsocenter DistanceObjectToTableTop ObjectPixelSpacingInCenterOfBeam
        PlanesInAcquisition XRayReceptorType ContrastBolusIngredientOpaque
        DistanceReceptorPlaneToDetectorHousing IntensifierActiveShape IntensifierActiveDimensions
        PhysicalDetectorSize PositionOfIsocenterProjection ExposureControlSensingRegionShape
        ExposureControlSensingRegionLeftVerticalEdge ExposureControlSensingRegionRightVerticalEdge
        ExposureControlSensingRegionUpperHorizontalEdge ExposureControlSensingRegionLowerHorizontalEdge
        CenterOfCircularExposureControlSensingRegion RadiusOfCircularExposureControlSensingRegion
        VerticesOfThePolygonalExposureControlSensingRegion ColumnAngulationPatient BeamAngle
        CalculatedAnatomyThickness PlaneIdentification FieldOfViewDimensionsInFloat
        PositionerIsocenterPrimaryAngle PositionerIsocenterSecondaryAngle
        PositionerIsocenterDetectorRotationAngle TableXPositionToIsocenter TableYPositionToIsocenter
        TableZPositionToIsocenter TableHorizontalRotationAngle TableHeadTiltAngle TableCradleTiltAngle
        AcquiredImageAreaDoseProduct CArmPositionerTabletopRelationship PrimaryPositionerScanArc
        SecondaryPositionerScanArc PrimaryPositionerScanStartAngle SecondaryPositionerScanStartAngle
        PrimaryPositionerIncrement SecondaryPositionerIncrement PrimaryPositionerIncrementSign
        SecondaryPositionerIncrementSign AlgorithmType XRaySourceIsocenterPrimaryAngle
        XRaySourceIsocenterSecondaryAngle BreastSupportIsocenterPrimaryAngle
        BreastSupportIsocenterSecondaryAngle BreastSupportXPositionToIsocenter
        BreastSupportYPositionToIsocenter BreastSupportZPositionToIsocenter DetectorIsocenterPrimaryAngle
        DetectorIsocenterSecondaryAngle DetectorXPositionToIsocenter DetectorYPositionToIsocenter
        DetectorZPositionToIsocenter DetectorActiveAreaTLHCPosition DetectorActiveAreaOrientation
        PositionerPrimaryAngleDirection DiffusionBValueXX DiffusionBValueXY DiffusionBValueXZ
        DiffusionBValueYY DiffusionBValueYZ DiffusionBValueZZ FunctionalSettlingPhaseFramesPresent
        SettlingPhaseFrame StartDensityThreshold StartRelativeDensityDifferenceThreshold
        StartCardiacTriggerCountThreshold StartRespiratoryTriggerCountThreshold TerminationCountsThreshold
        TerminationDensityThreshold TerminationRelativeDensityThreshold TerminationTimeThreshold
        TerminationCardiacTriggerCountThreshold TerminationRespiratoryTriggerCountThreshold DetectorGeometry
        TransverseDetectorSeparation AxialDetectorDimension RadiopharmaceuticalAgentNumber
        AttenuationCorrectionSource NumberOfIterations NumberOfSubsets TimeOfFlightInformationUsed
        ReconstructionType DecayCorrected AttenuationCorrected ScatterCorrected DeadTimeCorrected
        GantryMotionCorrected PatientMotionCorrected CountLossNormalizationCorrected RandomsCorrected
        NonUniformRadialSamplingCorrected SensitivityCalibrated DetectorNormalizationCorrection
        IterativeReconstructionMethod AttenuationCorrectionTemporalRelationship DepthsOfFocus
        ExclusionDuration DataType AliasedDataType PositionMeasuringDeviceUsed ZeroVelocityPixelValue
        ExcitationSpectralWidth ExcitationEnergy ExcitationPulseDuration ExcitationWavelength
        IlluminationTranslationFlag AcousticCouplingMediumFlag AcousticCouplingMediumTemperature
        CenterFrequency FractionalBandwidth LowerCutoffFrequency UpperCutoffFrequency ObjectSoundSpeed
        AcousticCouplingMediumSoundSpeed OffsetDistance OffsetDirection AcquisitionMotion
        SourceAcquisitionBeamNumber CTDIvolNotificationTrigger DLPNotificationTrigger AutoKVPSelectionType
        AutoKVPUpperBound AutoKVPLowerBound SeriesNumber AcquisitionNumber InstanceNumber ItemNumber
        PatientOrientation ImagePositionPatient ImageOrientationPatient Laterality ImageLaterality
        NumberOfTemporalPositions TemporalResolution ImagesInAcquisition SliceLocation InStackPositionNumber
        FrameLaterality TemporalPositionIndex NominalCardiacTriggerDelayTime
        NominalCardiacTriggerTimePriorToRPeak ActualCardiacTriggerTimePriorToRPeak FrameAcquisitionNumber
        DimensionIndexValues InConcatenationNumber InConcatenationTotalNumber DimensionIndexPointer
        FunctionalGroupPointer ConcatenationFrameOffsetNumber NominalPercentageOfCardiacPhase
        NominalPercentageOfRespiratoryPhase StartingRespiratoryAmplitude StartingRespiratoryPhase
        EndingRespiratoryAmplitude EndingRespiratoryPhase RespiratoryTriggerType RRIntervalTimeNominal
        ActualCardiacTriggerDelayTime RespiratoryIntervalTime NominalRespiratoryTriggerDelayTime
        RespiratoryTriggerDelayThreshold ActualRespiratoryTriggerDelayTime ImagePositionVolume
        ImageOrientationVolume UltrasoundAcquisitionGeometry ApexPosition VolumeToTransducerMappingMatrix
        VolumeToTableMappingMatrix VolumeToTransducerRelationship PatientFrameOfReferenceSource
        TemporalPositionTimeOffset DimensionOrganizationType AcquisitionIndex ReconstructionIndex
        SamplesPerPixel SamplesPerPixelUsed PhotometricInterpretation PlanarConfiguration NumberOfFrames
        FrameIncrementPointer FrameDimensionPointer Rows Columns UltrasoundColorDataPresent PixelSpacing
        ZoomFactor ZoomCenter PixelAspectRatio CorrectedImage BitsAllocated BitsStored HighBit
        PixelRepresentation SmallestImagePixelValue LargestImagePixelValue SmallestPixelValueInSeries
        LargestPixelValueInSeries PixelPaddingValue PixelPaddingRangeLimit FloatPixelPaddingValue
        DoubleFloatPixelPaddingValue FloatPixelPaddingRangeLimit DoubleFloatPixelPaddingRangeLimit
        BurnedInAnnotation RecognizableVisualFeatures LongitudinalTemporalInformationModified
        PixelSpacingCalibrationType PixelIntensityRelationship PixelIntensityRelationshipSign WindowCenter
        WindowWidth RescaleIntercept RescaleSlope VOILUTFunction RecommendedViewingMode
        RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor
        BluePaletteColorLookupTableDescriptor AlphaPaletteColorLookupTableDescriptor MinimumStoredValueMapped
        MaximumStoredValueMapped BreastImplantPresent PartialView SpatialLocationsPreserved
        BitsMappedToColorLookupTable RGBLUTTransferFunction AlphaLUTTransferFunction ColorSpace
        LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod LUTDescriptor
        RepresentativeFrameNumber FrameNumbersOfInterest FrameOfInterestType RWavePointer MaskOperation
        ApplicableFrameRange MaskFrameNumbers ContrastFrameAveraging MaskSubPixelShift TIDOffset
        MeasurementFunctions DDLValue GammaValue MeasuredCharacteristics DataPointRows DataPointColumns
        DataRepresentation GeometricMaximumDistortion ImageProcessingApplied MaskSelectionMode LUTFunction
        MaskVisibilityPercentage VerticesOfTheRegion PixelShiftFrameRange LUTFrameRange
        ImageToEquipmentMappingMatrix EquipmentCoordinateSystemIdentification EnergyWindowVector
        NumberOfEnergyWindows EnergyWindowLowerLimit EnergyWindowUpperLimit ResidualSyringeCounts
        DetectorVector NumberOfDetectors PhaseVector NumberOfPhases NumberOfFramesInPhase PhaseDelay
        PauseBetweenFrames PhaseDescription RotationVector NumberOfRotations NumberOfFramesInRotation
        RRIntervalVector NumberOfRRIntervals TimeSlotVector NumberOfTimeSlots TimeSlotTime SliceVector
        NumberOfSlices AngularViewVector TimeSliceVector NumberOfTimeSlices StartAngle TypeOfDetectorMotion
        TriggerVector NumberOfTriggersInPhase EnergyWindowNumber SliceProgressionDirection
        ScanProgressionDirection SeriesType Units CountsSource ReprojectionMethod SUVType
        RandomsCorrectionMethod DecayCorrection AxialAcceptance AxialMash TransverseMash DetectorElementSize
        CoincidenceWindowWidth SecondaryCountsType FrameReferenceTime PrimaryPromptsCountsAccumulated
        SecondaryCountsAccumulated SliceSensitivityFactor DecayFactor DoseCalibrationFactor
        ScatterFractionFactor DeadTimeFactor ImageIndex SegmentationType SegmentNumber SegmentAlgorithmType
        MaximumFractionalValue SegmentationFractionalType SegmentsOverlap
    """,
    "Pixels and their tables": """
        PresentationLUTShape PixelData FloatPixelData DoubleFloatPixelData RedPaletteColorLookupTableData
        GreenPaletteColorLookupTableData BluePaletteColorLookupTableData
        SegmentedRedPaletteColorLookupTableData SegmentedGreenPaletteColorLookupTableData
        SegmentedBluePaletteColorLookupTableData LUTData
    """,
}

#: All of them.
ATTRIBUTES = frozenset(keyword for keywords in SECTIONS.values() for keyword in keywords.split())
