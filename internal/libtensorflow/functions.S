// Functions of TensorFlow's C API that jump to the address that load.c puts into
// the table in section libtensorflow, of {name, address}. They are hidden: the
// library, which calls some of them too, is to find its own.

#if defined(__x86_64__)
#define ALIGN .balign 16
.macro jump entry
	jmp *8+\entry(%rip)
.endm
#elif defined(__aarch64__)
#define ALIGN .balign 16
.macro jump entry
	adrp x16, \entry
	add x16, x16, :lo12:\entry
	ldr x16, [x16, #8]
	br x16
.endm
#else
#error "only amd64 and arm64 are supported"
#endif

.macro function name
	.section libtensorflow, "aw"
	.balign 8
entry_\name:
	.quad name_\name, libtensorflow_unloaded

	.section .rodata
name_\name:
	.asciz "\name"

	.text
	ALIGN
	.globl \name
	.hidden \name
	.type \name, %function
\name:
	jump entry_\name
	.size \name, . - \name
.endm

.irp name, \
	TFE_ContextListDevices, \
	TFE_ContextOptionsSetAsync, \
	TFE_ContextOptionsSetConfig, \
	TFE_DeleteContext, \
	TFE_DeleteContextOptions, \
	TFE_DeleteTensorHandle, \
	TFE_NewContext, \
	TFE_NewContextOptions, \
	TFE_NewTensorHandle, \
	TFE_TensorHandleBackingDeviceName, \
	TFE_TensorHandleCopyToDevice, \
	TFE_TensorHandleDataType, \
	TFE_TensorHandleDeviceName, \
	TFE_TensorHandleDim, \
	TFE_TensorHandleNumDims, \
	TFE_TensorHandleResolve, \
	TF_AddControlInput, \
	TF_AddGradientsWithPrefix, \
	TF_AddInput, \
	TF_AddInputList, \
	TF_AllocateTensor, \
	TF_CloseSession, \
	TF_DeleteBuffer, \
	TF_DeleteDeviceList, \
	TF_DeleteGraph, \
	TF_DeleteImportGraphDefOptions, \
	TF_DeleteLibraryHandle, \
	TF_DeletePRunHandle, \
	TF_DeleteSession, \
	TF_DeleteSessionOptions, \
	TF_DeleteStatus, \
	TF_DeleteTensor, \
	TF_DeviceListCount, \
	TF_DeviceListMemoryBytes, \
	TF_DeviceListName, \
	TF_DeviceListType, \
	TF_Dim, \
	TF_FinishOperation, \
	TF_GetCode, \
	TF_GraphGetTensorNumDims, \
	TF_GraphGetTensorShape, \
	TF_GraphImportGraphDef, \
	TF_GraphNextOperation, \
	TF_GraphOperationByName, \
	TF_GraphToGraphDef, \
	TF_ImportGraphDefOptionsAddInputMapping, \
	TF_ImportGraphDefOptionsSetDefaultDevice, \
	TF_ImportGraphDefOptionsSetPrefix, \
	TF_LoadLibrary, \
	TF_LoadSessionFromSavedModel, \
	TF_Message, \
	TF_NewBuffer, \
	TF_NewGraph, \
	TF_NewImportGraphDefOptions, \
	TF_NewOperation, \
	TF_NewSession, \
	TF_NewSessionOptions, \
	TF_NewStatus, \
	TF_NumDims, \
	TF_OperationDevice, \
	TF_OperationGetAttrBool, \
	TF_OperationGetAttrBoolList, \
	TF_OperationGetAttrFloat, \
	TF_OperationGetAttrFloatList, \
	TF_OperationGetAttrInt, \
	TF_OperationGetAttrIntList, \
	TF_OperationGetAttrMetadata, \
	TF_OperationGetAttrShape, \
	TF_OperationGetAttrShapeList, \
	TF_OperationGetAttrString, \
	TF_OperationGetAttrStringList, \
	TF_OperationGetAttrTensor, \
	TF_OperationGetAttrTensorList, \
	TF_OperationGetAttrType, \
	TF_OperationGetAttrTypeList, \
	TF_OperationInput, \
	TF_OperationInputType, \
	TF_OperationName, \
	TF_OperationNumInputs, \
	TF_OperationNumOutputs, \
	TF_OperationOpType, \
	TF_OperationOutputConsumers, \
	TF_OperationOutputListLength, \
	TF_OperationOutputNumConsumers, \
	TF_OperationOutputType, \
	TF_SessionListDevices, \
	TF_SessionPRun, \
	TF_SessionPRunSetup, \
	TF_SessionRun, \
	TF_SetAttrBool, \
	TF_SetAttrBoolList, \
	TF_SetAttrFloat, \
	TF_SetAttrFloatList, \
	TF_SetAttrInt, \
	TF_SetAttrIntList, \
	TF_SetAttrShape, \
	TF_SetAttrShapeList, \
	TF_SetAttrString, \
	TF_SetAttrStringList, \
	TF_SetAttrTensor, \
	TF_SetAttrTensorList, \
	TF_SetAttrType, \
	TF_SetAttrTypeList, \
	TF_SetConfig, \
	TF_SetDevice, \
	TF_SetTarget, \
	TF_TensorBitcastFrom, \
	TF_TensorByteSize, \
	TF_TensorData, \
	TF_TensorType, \
	TF_Version
	function \name
.endr

.section .note.GNU-stack, "", %progbits
